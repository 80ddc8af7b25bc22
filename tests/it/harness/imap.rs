//! A mailbox whose server misbehaves as it is told: it cuts the line at a message, refuses to move one, refuses to search.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The line breaks whenever this message is fetched.
    CutsAt(u32),
    /// This one cannot be moved.
    KeepsFor(u32),
    /// It says that it moves this one, and does not.
    Pretends(u32),
    /// It refuses to search.
    NoSearch,
}

/// The messages of its folder by their numbers, and those that were moved.
#[derive(Default)]
pub struct Mails {
    pub inbox: BTreeMap<u32, String>,
    pub moved: Vec<(u32, String)>,
    pub fetched: usize,
}

/// Serves such a mailbox until the test ends.
pub async fn serve(messages: Vec<String>, fault: Fault) -> (SocketAddr, Arc<Mutex<Mails>>) {
    let inbox = (1..).zip(messages).collect();
    let mails = Arc::new(Mutex::new(Mails { inbox, ..Mails::default() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let kept = Arc::clone(&mails);
    tokio::spawn(async move {
        while let Ok((line, _)) = listener.accept().await {
            let mails = Arc::clone(&kept);
            tokio::spawn(async move { drop(hold(line, &mails, fault).await) });
        }
    });
    (address, mails)
}

async fn hold(line: TcpStream, mails: &Mutex<Mails>, fault: Fault) -> std::io::Result<()> {
    let mut line = BufReader::new(line);
    line.write_all(b"* OK ready\r\n").await?;
    loop {
        let mut command = String::new();
        if line.read_line(&mut command).await? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = command.split_whitespace().collect();
        let [tag, verb, ..] = words[..] else { return Ok(()) };
        let verb = if verb == "UID" { words[2] } else { verb };
        let number = || words[3].parse::<u32>().unwrap();
        let answer = match verb {
            "CAPABILITY" => format!("* CAPABILITY IMAP4rev1 MOVE\r\n{tag} OK done\r\n"),
            "LIST" => format!("* LIST () \"/\" INBOX\r\n{tag} OK done\r\n"),
            "SELECT" => format!("* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n{tag} OK [READ-WRITE] done\r\n"),
            "SEARCH" if fault == Fault::NoSearch => format!("{tag} NO [UNAVAILABLE] not now\r\n"),
            "SEARCH" => {
                let all: Vec<String> = mails.lock().unwrap().inbox.keys().map(u32::to_string).collect();
                format!("* SEARCH {}\r\n{tag} OK done\r\n", all.join(" "))
            }
            "FETCH" if fault == Fault::CutsAt(number()) => return Ok(()),
            "FETCH" => {
                let mut mails = mails.lock().unwrap();
                mails.fetched += 1;
                let text = mails.inbox[&number()].replace('\n', "\r\n");
                format!(
                    "* 1 FETCH (UID {} BODY[]<0> {{{}}}\r\n{text})\r\n{tag} OK done\r\n",
                    number(),
                    text.len()
                )
            }
            "MOVE" if fault == Fault::KeepsFor(number()) => format!("{tag} NO [SERVERBUG] cannot\r\n"),
            "MOVE" if fault == Fault::Pretends(number()) => format!("{tag} OK done\r\n"),
            "MOVE" => {
                let mut mails = mails.lock().unwrap();
                mails.inbox.remove(&number());
                mails.moved.push((number(), words[4].trim_matches('"').to_owned()));
                format!("{tag} OK done\r\n")
            }
            _ => format!("{tag} OK done\r\n"),
        };
        line.write_all(answer.as_bytes()).await?;
    }
}
