//! Real mail servers: Postfix, Exim, `OpenSMTPD` and Dovecot, as `scripts/mail-servers` has unpacked them.
//!
//! Each runs in mount and process namespaces of its own, with its own users, configuration and spool, and passes on
//! everything to a sink; Dovecot has one mailbox instead, read over IMAP. It ends when its standard input does, so also with a test that is killed.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::database;

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Postfix, whose logins the test checks for it as Dovecot would.
    Postfix,
    /// Exim.
    Exim,
    /// `OpenSMTPD`.
    OpenSmtpd,
    /// Dovecot: IMAP with TLS from the first byte, for `user` with `password`.
    Dovecot,
}

/// How it is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Whom it lets send: everybody without encryption, or whoever logs in as `user` with `password` after STARTTLS.
    pub with_login: bool,
    /// Whether it offers PIPELINING; `OpenSMTPD` never does.
    pub pipelining: bool,
    /// More lines for its configuration.
    pub more: &'static str,
}

/// A running one; it ends when this is dropped.
pub struct MailServer {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Where Dovecot listens without encryption, for the test's own mail program.
    pub plain_port: u16,
    /// A file with its certificate, for `localhost`.
    pub certificate: PathBuf,
    folder: PathBuf,
    child: Child,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Users that the servers insist on. Nobody else has these numbers.
const USERS: [(&str, u32); 7] = [
    ("postfix", 61_901),
    ("postdrop", 61_902),
    ("Debian-exim", 61_903),
    ("opensmtpd", 61_904),
    ("opensmtpq", 61_905),
    ("dovecot", 61_906),
    ("dovenull", 61_907),
];

/// Begins the namespaces' life, as root. $1 is the unpacked packages, $2 the folder of this server, the rest the
/// command. Both are bound to places that every user may enter.
const BEGIN: &str = r#"set -eu
root=$1 folder=$2
shift 2
mount --bind "$folder/passwd" /etc/passwd
mount --bind "$folder/group" /etc/group
mount --bind "$root" /mnt
mkdir "$folder/mount"
mount -t tmpfs tmpfs "$folder/mount"
cp -r "$folder/conf" "$folder/mount/conf"
mount --bind "$folder/mount" /var
cd /var
chmod 755 . conf
mkdir -p run log lib spool
LD_LIBRARY_PATH=/mnt/usr/lib/postfix:/mnt/usr/lib/dovecot
for libraries in /mnt/usr/lib/*-linux-gnu /mnt/lib/*-linux-gnu; do
    LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$libraries
done
export LD_LIBRARY_PATH
chmod 600 conf/key.pem conf/logins
case $1 in
*/master)
    mkdir -p spool/postfix lib/postfix && chown postfix lib/postfix && cd spool/postfix
    for queue in incoming active deferred bounce defer flush hold corrupt trace saved private maildrop public; do
        mkdir -m 700 $queue && chown postfix:postdrop $queue
    done
    chmod 730 maildrop && chmod 710 public && mkdir pid && chown root:root ../.
    ;;
*/exim4)
    mkdir -p spool/exim log/exim log/exim4
    chown Debian-exim:Debian-exim spool/exim log/exim log/exim4 conf/key.pem
    ;;
*/smtpd)
    mkdir -p lib/opensmtpd/empty spool/smtpd && chmod 711 spool/smtpd
    ;;
*/doveconf)
    mkdir mail && chown dovecot:dovecot mail
    # It looks for its modules nowhere else than in /usr/lib/dovecot.
    mkdir host-lib usr-lib && mount --rbind /usr/lib host-lib
    ln -s /var/host-lib/* usr-lib/ && rm -f usr-lib/dovecot && ln -s /mnt/usr/lib/dovecot usr-lib/dovecot
    mount --bind usr-lib /usr/lib
    ;;
esac
"$@" &
# The end of this process ends all of them.
read -r _ || true
"#;

/// The folder of the unpacked packages; says why not where there is none.
pub fn unpacked() -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let packages = target.join("mail-servers");
    if !packages.join("complete").exists() {
        return Err("scripts/mail-servers has not fetched them".into());
    }
    Ok(packages.join("root"))
}

/// The unpacked packages, and how to become root; says why not when that cannot be.
fn means() -> Result<(PathBuf, Vec<&'static str>), String> {
    let root = unpacked()?;
    for sudo in [vec![], vec!["sudo", "-n"]] {
        let words = [
            sudo.as_slice(),
            &["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        ];
        let words = words.concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().is_ok_and(|status| status.success()) {
            return Ok((root, sudo));
        }
    }
    Err("neither root nor sudo can make namespaces here".into())
}

/// Starts one that passes everything on to `sink`. Nothing, said loudly, where it cannot run.
pub async fn start(kind: Kind, setup: Setup, sink: SocketAddr) -> Option<MailServer> {
    let (root, sudo) = match means() {
        Ok(means) => means,
        Err(why) => {
            // Past the test program, which keeps what a passing test prints.
            let _ = writeln!(std::io::stderr(), "\n!!! NOT TESTED with a real {kind:?}: {why}\n");
            return None;
        }
    };
    let folder = database::scratch("mail-server");
    let conf = folder.join("conf");
    fs::create_dir_all(&conf).unwrap();
    for (file, has_home) in [("passwd", true), ("group", false)] {
        let mut text = fs::read_to_string(Path::new("/etc").join(file)).unwrap();
        for (name, id) in USERS {
            let rest = if has_home { format!("{id}::/nonexistent:/usr/sbin/nologin") } else { String::new() };
            writeln!(text, "{name}:x:{id}:{rest}").unwrap();
        }
        fs::write(folder.join(file), text).unwrap();
    }
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = folder.join("certificate.pem");
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(conf.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(conf.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    // The hash is of `password`.
    fs::write(conf.join("logins"), format!("user {PASSWORD_HASH}\n")).unwrap();

    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (port, plain_port) = (free(), free());
    let command: Vec<&str> = match kind {
        Kind::Postfix => {
            fs::write(conf.join("main.cf"), postfix(setup, logins().await, sink)).unwrap();
            fs::write(
                conf.join("master.cf"),
                format!("127.0.0.1:{port} inet n - n - 60 smtpd\n{POSTFIX_SERVICES}"),
            )
            .unwrap();
            vec!["/mnt/usr/lib/postfix/sbin/master", "-c", "/var/conf", "-d"]
        }
        Kind::Exim => {
            fs::write(conf.join("exim.conf"), exim(setup, port, sink)).unwrap();
            vec!["/mnt/usr/sbin/exim4", "-C", "/var/conf/exim.conf", "-bdf", "-q1s"]
        }
        Kind::OpenSmtpd => {
            fs::write(conf.join("smtpd.conf"), opensmtpd(setup, port, sink)).unwrap();
            vec!["/mnt/usr/sbin/smtpd", "-d", "-f", "/var/conf/smtpd.conf"]
        }
        Kind::Dovecot => {
            fs::write(conf.join("dovecot.conf"), dovecot(setup, port, plain_port)).unwrap();
            vec![
                "/mnt/usr/bin/doveconf",
                "-c",
                "/var/conf/dovecot.conf",
                "-m",
                "master",
                "-e",
                "/mnt/usr/sbin/dovecot",
                "-F",
                "-c",
                "/var/conf/dovecot.conf",
            ]
        }
    };
    let log = fs::File::create(folder.join("log")).unwrap();
    let (root, own) = (root.to_str().unwrap(), folder.to_str().unwrap());
    let words = [
        &sudo[..],
        &["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", BEGIN, "sh", root, own],
        &command,
    ]
    .concat();
    let child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let server = MailServer { port, plain_port, certificate, folder, child };
    server.answers(kind).await;
    Some(server)
}

impl MailServer {
    async fn answers(&self, kind: Kind) {
        let begun = Instant::now();
        loop {
            let greeting = async {
                let (port, begins) = match kind {
                    Kind::Dovecot => (self.plain_port, b"* OK"),
                    _ => (self.port, b"220 "),
                };
                let mut line = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
                let mut greeting = [0; 4];
                line.read_exact(&mut greeting).await.ok()?;
                Some(&greeting == begins)
            };
            if timeout(Duration::from_secs(2), greeting).await == Ok(Some(true)) {
                return;
            }
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(30), "{kind:?} does not answer: {log}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn postfix(setup: Setup, logins: SocketAddr, sink: SocketAddr) -> String {
    let Setup { with_login, pipelining, more } = setup;
    let (tls, sasl, allow) = if with_login {
        ("encrypt", "yes", "permit_sasl_authenticated, reject_unauth_destination")
    } else {
        ("none", "no", "permit_mynetworks, reject_unauth_destination")
    };
    let discard = if pipelining { "" } else { "pipelining" };
    format!(
        "compatibility_level = 3.6
config_directory = /var/conf
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
daemon_directory = /mnt/usr/lib/postfix/sbin
command_directory = /mnt/usr/sbin
shlib_directory = /mnt/usr/lib/postfix
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH
maillog_file = /var/log/mail.log
maillog_file_prefixes = /var
mail_owner = postfix
setgid_group = postdrop
myhostname = localhost
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
relayhost = [{}]:{}
smtpd_tls_cert_file = /var/conf/cert.pem
smtpd_tls_key_file = /var/conf/key.pem
smtpd_tls_security_level = {tls}
smtpd_sasl_auth_enable = {sasl}
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{logins}
smtpd_relay_restrictions = {allow}
smtpd_discard_ehlo_keywords = {discard}
smtp_tls_security_level = none
smtp_dns_support_level = disabled
{more}
",
        sink.ip(),
        sink.port()
    )
}

const POSTFIX_SERVICES: &str = "postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000? 1 tlsmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
scache unix - - n - 1 scache
";

fn exim(setup: Setup, port: u16, sink: SocketAddr) -> String {
    let Setup { with_login, pipelining, more } = setup;
    let (allow, tls) = if with_login {
        ("accept authenticated = *", "tls_advertise_hosts = *")
    } else {
        ("accept hosts = 127.0.0.1", "tls_advertise_hosts =")
    };
    let pipelining = if pipelining { "*" } else { "" };
    format!(
        "primary_hostname = localhost
exim_path = /mnt/usr/sbin/exim4
exim_user = Debian-exim
keep_environment = LD_LIBRARY_PATH
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
spool_directory = /var/spool/exim
log_file_path = /var/log/exim/%slog
pid_file_path = /var/run/exim.pid
{tls}
tls_certificate = /var/conf/cert.pem
tls_privatekey = /var/conf/key.pem
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
pipelining_advertise_hosts = {pipelining}
acl_smtp_rcpt = check
acl_smtp_data = accept
smtp_accept_max = 60
smtp_accept_max_per_host = 60
queue_run_max = 10
{more}
begin acl
check:
  {allow}
  deny message = relay not permitted
begin routers
sink:
  driver = manualroute
  route_list = * {} byname
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = {}
  hosts_avoid_tls = *
begin retry
* * F,1h,1s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{user}}}}{{eq{{$auth3}}{{password}}}}}}}}
  server_set_id = $auth2
",
        sink.ip(),
        sink.port()
    )
}

fn opensmtpd(setup: Setup, port: u16, sink: SocketAddr) -> String {
    let (listen, from) = if setup.with_login {
        ("tls-require auth <logins> pki localhost", "auth from any")
    } else {
        ("", "from any")
    };
    format!(
        "pki localhost cert \"/var/conf/cert.pem\"
pki localhost key \"/var/conf/key.pem\"
table logins file:/var/conf/logins
listen on 127.0.0.1 port {port} {listen} hostname localhost
{}
action \"sink\" relay host smtp://{sink}
match {from} for any action \"sink\"
",
        setup.more
    )
}

fn dovecot(setup: Setup, port: u16, plain_port: u16) -> String {
    format!(
        "base_dir = /var/run/dovecot
state_dir = /var/lib/dovecot
import_environment = LD_LIBRARY_PATH
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
first_valid_uid = 1
ssl = yes
ssl_cert = </var/conf/cert.pem
ssl_key = </var/conf/key.pem
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain_port}
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service stats {{
  chroot =
}}
passdb {{
  driver = static
  args = user=user password=password
}}
userdb {{
  driver = static
  args = uid=dovecot gid=dovecot home=/var/mail
}}
mail_location = maildir:~/Maildir
namespace inbox {{
  inbox = yes
}}
{}
",
        setup.more
    )
}

const PASSWORD_HASH: &str =
    "$6$rundbrief$kmNK2at89Xnjmo4KblDIY/mK0hvFlqDeWtbrA6d8Gv.k8CsYcmMWzEAFbkHbspjMcwOD5koOoZUFtlhe3o6yQ/";

/// Checks logins for Postfix, in Dovecot's protocol for that: `user` and `password`, by PLAIN.
async fn logins() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((line, _)) = listener.accept().await {
            tokio::spawn(async move { drop(check(line).await) });
        }
    });
    address
}

async fn check(line: TcpStream) -> std::io::Result<()> {
    let mut line = BufReader::new(line);
    line.write_all(
        b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef0123456789abcdef\nDONE\n",
    )
    .await?;
    let right = format!("resp={}", STANDARD.encode("\0user\0password"));
    loop {
        let mut command = String::new();
        if line.read_line(&mut command).await? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = command.trim().split('\t').collect();
        if let ["AUTH", id, rest @ ..] = words.as_slice() {
            let answer = if rest.contains(&right.as_str()) {
                format!("OK\t{id}\tuser=user\n")
            } else {
                format!("FAIL\t{id}\tuser=user\n")
            };
            line.write_all(answer.as_bytes()).await?;
        }
    }
}
