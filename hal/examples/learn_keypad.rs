//! Learns a keypad nobody has a map of: asks for each key in turn, prints the map.
//!
//! `cargo run -p hal --example learn_keypad -- NAME NODE [NODE]... > ours.toml`; then `map` in the kiosk's
//! config names that file. The node is ours alone meanwhile, so what is pressed reaches no screen.

use hal::{
    keypad::{KEY_WAIT, Question, learn},
    keys::Keyboard,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next();
    let nodes: Vec<_> = arguments.collect();
    let (Some(name), false) = (name, nodes.is_empty()) else {
        eprintln!(
            "usage: learn_keypad NAME NODE [NODE]...   such as: learn_keypad 'Our keypad' /dev/input/event3"
        );
        return ExitCode::FAILURE;
    };
    let mut ask = |question| match question {
        Question::Press(key) => {
            eprintln!("press {} (or wait {} seconds if there is none)", key.name(), KEY_WAIT.as_secs());
        }
        Question::Again { key, was } => eprintln!("that is {} already; press {}", was.name(), key.name()),
        Question::LeftOut(key) => eprintln!("{} is left out", key.name()),
    };
    let learned = Keyboard::open(&nodes).and_then(|mut keypad| learn(&name, &mut keypad, &mut ask));
    match learned {
        Ok(map) => {
            print!("{map}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("nothing learned: {error}");
            ExitCode::FAILURE
        }
    }
}
