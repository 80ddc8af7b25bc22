//! `DATABASE_URL`, as libpq reads it: several hosts, sockets, parameters.

use std::{path::Path, process::Command};

use url::Url;

/// The address of a database, host by host.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// One URL per host, each with all other settings.
    pub hosts: Vec<String>,
    /// Whether TLS with a verified certificate is used because the URL does not say otherwise.
    pub is_tls_by_default: bool,
}

/// The way out where a special character of a password breaks the URL.
const PERCENT: &str = "in a user name or password, write special characters percent-encoded: # is %23, / is %2F, ? is %3F, @ is %40, : is %3A, % is %25";

const EXAMPLE: &str = "write it as postgres://user:password@127.0.0.1/rundbrief";

impl DatabaseUrl {
    /// Default size of the connection pool.
    pub const CONNECTIONS: u32 = 20;

    /// Reads a URL such as `postgres://user:password@one,two:5433/name?target_session_attrs=read-write`.
    ///
    /// Missing parts come from where libpq takes them: `PGUSER`, else the user that the process runs as; `PGHOST`, else the
    /// usual sockets, else this machine; `PGPORT`. Connections to another machine use TLS with a verified certificate, unless
    /// `sslmode` or `PGSSLMODE` says otherwise.
    ///
    /// # Errors
    /// A message for the operator. It never contains a part of the URL that may belong to the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest = rest.ok_or_else(|| format!("must begin with postgres://; {EXAMPLE}"))?;
        if rest.contains('#') {
            return Err(format!("contains a #, which would cut off the rest; {PERCENT}"));
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let pairs: Vec<(&str, &str)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').ok_or_else(|| format!("cannot be read after its ?; {PERCENT}")))
            .collect::<Result<_, _>>()?;
        if path.contains('@') || path.contains('/') || (login.is_empty() && query.contains('@')) {
            return Err(format!("cannot be read; {PERCENT}"));
        }
        let (user, password) = login.split_once(':').map_or((login, None), |(user, pw)| (user, Some(pw)));
        let mut parts = Parts {
            user: Some(decoded(user)?).filter(|user| !user.is_empty()),
            password: password.map(decoded).transpose()?,
            name: Some(decoded(path)?).filter(|name| !name.is_empty()),
            hosts: hosts.split(',').map(host_and_port).collect::<Result<_, _>>()?,
            others: Vec::new(),
        };
        for (key, value) in pairs {
            parts.set(&decoded(key)?, decoded(&value.replace('+', " "))?)?;
        }
        parts.put_together()
    }
}

struct Parts {
    user: Option<String>,
    password: Option<String>,
    name: Option<String>,
    /// Each with its port, if it has one of its own.
    hosts: Vec<(String, Option<u16>)>,
    /// Parameters for the driver.
    others: Vec<(String, String)>,
}

impl Parts {
    /// Takes a parameter.
    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        match key {
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "dbname" => self.name = Some(value),
            "host" | "hostaddr" => {
                let ports = self.hosts.iter().map(|(_, port)| *port).collect::<Vec<_>>();
                let port = |place: usize| ports.get(place).or(ports.first()).copied().flatten();
                self.hosts =
                    value.split(',').enumerate().map(|(n, host)| (host.to_owned(), port(n))).collect();
            }
            "port" => {
                let ports: Vec<u16> = value.split(',').map(port_number).collect::<Result<_, _>>()?;
                if ports.len() > 1 && ports.len() != self.hosts.len() {
                    return Err("names a different number of ports than hosts; name one port for all, or one for each".into());
                }
                for (place, (_, port)) in self.hosts.iter_mut().enumerate() {
                    *port = ports.get(place).or(ports.first()).copied();
                }
            }
            "target_session_attrs" => {
                // The service writes, so it needs a server that accepts writes.
                if !["any", "read-write", "primary", "prefer-primary"].contains(&value.as_str()) {
                    return Err(
                        "has a target_session_attrs that allows read-only servers; use read-write".into()
                    );
                }
            }
            // Known to libpq; no effect here.
            "connect_timeout"
            | "channel_binding"
            | "gssencmode"
            | "keepalives"
            | "keepalives_idle"
            | "keepalives_interval"
            | "keepalives_count"
            | "tcp_user_timeout"
            | "load_balance_hosts" => {}
            "sslmode" if !MODES.contains(&value.as_str()) => {
                return Err(format!("has an unknown sslmode; use one of {}", MODES.join(", ")));
            }
            _ => self.others.push((key.to_owned(), value)),
        }
        Ok(())
    }

    fn put_together(self) -> Result<DatabaseUrl, String> {
        let from_environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let user = self.user.or_else(|| from_environment("PGUSER")).or_else(own_name);
        let user = user
            .ok_or("names no user, and the user that runs this has no name; write it as postgres://user@…")?;
        let is_mode_said = self.others.iter().any(|(key, _)| key == "sslmode" || key == "ssl-mode")
            || from_environment("PGSSLMODE").is_some();
        let default_port = from_environment("PGPORT").and_then(|port| port.parse().ok()).unwrap_or(5432);
        let mut is_tls_by_default = false;
        let hosts = self.hosts.into_iter().map(|(host, port)| {
            let port = port.unwrap_or(default_port);
            let host = match host.as_str() {
                "" => from_environment("PGHOST").unwrap_or_else(|| usual_place(port)),
                _ => host,
            };
            let needs_tls = !is_mode_said && !is_on_this_machine(&host);
            is_tls_by_default |= needs_tls;
            let mut url = Url::parse("postgres:///").map_err(|error| error.to_string())?;
            if let Some(name) = &self.name {
                // The driver decodes it.
                url.set_path(&encoded(name));
            }
            let mut query = url.query_pairs_mut();
            query
                .append_pair("host", &host)
                .append_pair("port", &port.to_string())
                .append_pair("user", &user);
            if let Some(password) = &self.password {
                query.append_pair("password", password);
            }
            if needs_tls {
                query.append_pair("sslmode", "verify-full");
            }
            query.extend_pairs(&self.others);
            drop(query);
            Ok(url.to_string())
        });
        let hosts = hosts.collect::<Result<_, String>>()?;
        Ok(DatabaseUrl { hosts, is_tls_by_default })
    }
}

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// `host`, `host:port`, `[::1]`, `[::1]:port`, or the encoded folder of a socket.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) =
                rest.split_once(']').ok_or("has a [ without a ]; write an IPv6 address as [::1]")?;
            match behind.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if behind.is_empty() => (host, None),
                None => return Err(format!("cannot be read after its ]; {PERCENT}")),
            }
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.filter(|port| !port.is_empty()).map(port_number).transpose()?;
    Ok((decoded(host)?, port))
}

fn port_number(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("has a port that is not a number from 1 to 65535; {PERCENT}"))
}

/// Decodes percent signs.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(format!("contains a % without two digits after it; {PERCENT}"));
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 after decoding its percent signs".to_owned())
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

/// The folder of the server's socket, where distributions put it; without one, `localhost`.
fn usual_place(port: u16) -> String {
    let has_socket = |dir: &&str| Path::new(dir).join(format!(".s.PGSQL.{port}")).exists();
    ["/run/postgresql", "/var/run/postgresql", "/tmp", "/private/tmp"]
        .into_iter()
        .find(has_socket)
        .unwrap_or("localhost")
        .to_owned()
}

/// Whether the host is this machine.
fn is_on_this_machine(host: &str) -> bool {
    host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The name of the user that the process runs as: the role for a socket (peer authentication). `id` also knows users that
/// are not in /etc/passwd.
fn own_name() -> Option<String> {
    let asked = Command::new("id").arg("-un").output().ok()?;
    let name = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
    (asked.status.success() && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(url: &str) -> Vec<(String, String)> {
        Url::parse(url).unwrap().query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
    }

    fn value(url: &str, key: &str) -> Option<String> {
        pairs(url).into_iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn one(text: &str) -> String {
        let parsed = DatabaseUrl::parse(text).unwrap();
        assert_eq!(parsed.hosts.len(), 1);
        parsed.hosts[0].clone()
    }

    #[test]
    fn the_documented_ways_to_write_it_are_read() {
        let socket = one("postgres:///rundbrief?host=/var/run/postgresql");
        assert_eq!(value(&socket, "host").as_deref(), Some("/var/run/postgresql"));
        assert_eq!(value(&socket, "user"), own_name(), "as libpq does");
        assert!(socket.starts_with("postgres:///rundbrief?"), "{socket}");
        let six = one("postgresql://a:b@[::1]:5433/x");
        assert_eq!(
            (value(&six, "host").unwrap().as_str(), value(&six, "port").unwrap().as_str()),
            ("::1", "5433")
        );
        assert_eq!(value(&one("postgres://a@%2Ftmp%2Fpg/x"), "host").as_deref(), Some("/tmp/pg"));
        let odd = one("postgres://a%40b:p%23%2Fq:r@s@db.example.org/x%20y");
        assert_eq!(value(&odd, "user").as_deref(), Some("a@b"));
        assert_eq!(value(&odd, "password").as_deref(), Some("p#/q:r@s"));
        assert!(odd.starts_with("postgres:///x%20y?"), "{odd}");
    }

    #[test]
    fn several_hosts_are_read_each_with_its_port() {
        let two = DatabaseUrl::parse("postgres://a:b@one:1,[::1]:2,three/x?target_session_attrs=read-write")
            .unwrap();
        let places: Vec<(String, String)> =
            two.hosts.iter().map(|url| (value(url, "host").unwrap(), value(url, "port").unwrap())).collect();
        let is = |host: &str, port: &str| (host.to_owned(), port.to_owned());
        assert_eq!(places, [is("one", "1"), is("::1", "2"), is("three", "5432")]);
        let by_parameter = DatabaseUrl::parse("postgres:///x?user=a&host=/one,/two&port=1,2").unwrap();
        assert_eq!(value(&by_parameter.hosts[1], "host").as_deref(), Some("/two"));
        assert_eq!(value(&by_parameter.hosts[1], "port").as_deref(), Some("2"));
    }

    #[test]
    fn off_this_machine_a_certificate_is_asked_for_unless_something_else_is_said() {
        for (url, mode) in [
            ("postgres://a:b@db.example.org/x", Some("verify-full")),
            ("postgres://a:b@10.0.0.7/x", Some("verify-full")),
            ("postgres://a:b@db.example.org/x?sslmode=disable", Some("disable")),
            ("postgres://a:b@db.example.org/x?sslmode=prefer", Some("prefer")),
            ("postgres://a:b@localhost/x", None),
            ("postgres://a:b@127.0.0.1/x", None),
            ("postgres://a:b@[::1]/x", None),
            ("postgres://a:b@/x?host=/tmp", None),
        ] {
            assert_eq!(value(&one(url), "sslmode").as_deref(), mode, "{url}");
        }
        let mixed = DatabaseUrl::parse("postgres://a:b@localhost,db.example.org/x").unwrap();
        assert_eq!(value(&mixed.hosts[0], "sslmode"), None);
        assert_eq!(value(&mixed.hosts[1], "sslmode").as_deref(), Some("verify-full"));
        assert!(mixed.is_tls_by_default);
    }

    #[test]
    fn what_would_be_cut_in_silence_is_told_with_the_way_out_and_no_secret() {
        for wrong in [
            "postgres://a:geh#eim@localhost/x",
            "postgres://a:geh/eim@localhost/x",
            "postgres://a:geh?eim@localhost/x",
            "postgres://a:geh%eim@localhost/x",
            "postgres://a:geh%@localhost/x",
            "postgres://a:geheim/x",
            "postgres://a:b@localhost:geheim/x",
        ] {
            let said = DatabaseUrl::parse(wrong).err().unwrap_or_else(|| panic!("{wrong} is taken"));
            assert!(said.contains("%23") && !said.contains("geh"), "{wrong}: {said}");
        }
        assert!(DatabaseUrl::parse("mysql://x").err().unwrap().contains("postgres://"));
        for wrong in ["?sslmode=on", "?target_session_attrs=read-only", "?host=a,b&port=1,2,3"] {
            assert!(DatabaseUrl::parse(&format!("postgres://a@localhost/x{wrong}")).is_err(), "{wrong}");
        }
    }
}
