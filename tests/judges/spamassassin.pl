# Says of each mail, a line of JSON each: its score and the rules it hit. Local rules only, nobody's preferences.
use strict;
use warnings;
use JSON::PP;
use Mail::SpamAssassin;

my $judge = Mail::SpamAssassin->new({ local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null' });
for my $file (@ARGV) {
    open my $handle, '<', $file or die "$file: $!";
    my $mail = $judge->parse(do { local $/; <$handle> });
    my $status = $judge->check($mail);
    my %hit = map { split /=/ } split /,/, $status->get_names_of_tests_hit_with_scores;
    delete $hit{none};
    print encode_json({ score => $status->get_score + 0, hit => { map { $_ => $hit{$_} + 0 } keys %hit } }), "\n";
    $status->finish;
    $mail->finish;
}
