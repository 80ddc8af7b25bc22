-- What staff enter because somebody asked them to: the record of consent says by which way they were asked. `staff` and
-- `command` stay for what does not say.

alter type consent_method add value 'phone';
alter type consent_method add value 'letter';
alter type consent_method add value 'in_person';
alter type consent_method add value 'mail';
