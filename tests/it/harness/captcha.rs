//! Solves the proof of work as our script does.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Answer;

/// The challenge in a page or in a problem, if there is one.
pub fn challenge(answer: &Answer) -> Option<Value> {
    if answer.header("content-type").contains("json") {
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        return problem.get("challenge").cloned();
    }
    let (_, rest) = answer.body.split_once("data-challenge=\"")?;
    let written = rest.split_once('"').unwrap().0.replace("&quot;", "\"").replace("&amp;", "&");
    Some(serde_json::from_str(&written).unwrap_or_else(|error| panic!("{error}: {written}")))
}

/// The number that solves a challenge.
pub fn number(challenge: &Value) -> u64 {
    let wanted = hex::decode(challenge["challenge"].as_str().unwrap()).unwrap();
    let salt = Sha256::new_with_prefix(challenge["salt"].as_str().unwrap());
    let most = challenge["maxnumber"].as_u64().unwrap();
    let solves = |number: &u64| {
        let hash = salt.clone().chain_update(number.to_string()).finalize();
        hash.as_slice() == wanted
    };
    (0..=most).find(solves).expect("the challenge can be solved")
}

/// A solution that says this, as a form sends it.
pub fn written(challenge: &Value, number: impl Into<Value>) -> String {
    let solution = json!({
        "algorithm": challenge["algorithm"],
        "challenge": challenge["challenge"],
        "number": number.into(),
        "salt": challenge["salt"],
        "signature": challenge["signature"],
    });
    STANDARD.encode(solution.to_string())
}

/// Solves a challenge; answers what the form sends.
pub fn solve(challenge: &Value) -> String {
    written(challenge, number(challenge))
}
