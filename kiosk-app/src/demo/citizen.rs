//! The scripted citizen: touches what they read, types what they mean.

use super::{
    canary::{Canaries, Sighting},
    hand::{Do, Done},
    report::{Counts, Transcript},
    stage::{self, Stage},
    words::Words,
};
use anyhow::{Context, Result, ensure};
use std::{path::Path, process::ExitCode};

/// The library card in the citizen's pocket.
const CARD: &str = "21234000045678";
/// Typed by the first citizen; must be nowhere when the session is over.
const WHERE: &str = "12 rue kwyjibo";
const WHAT: &str = "trou profond zanzibar";
/// How long delivery may take once the link is back.
const DELIVERY_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);
/// No page is longer than so many screens.
const PAGES_MAX: usize = 20;
/// No page has more controls.
const KEYS_MAX: usize = 60;
const WHAT_MORE: &str = " xylophage";

/// Somebody in front of the screen.
pub(super) struct Citizen<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) words: Words,
    transcript: Transcript,
    pictures: u32,
}

impl<'a> Citizen<'a> {
    /// Steps in front of the screen; reads `language`.
    pub(super) fn new(stage: &'a mut Stage, language: &str) -> Result<Self> {
        let transcript = Transcript::create(&stage.out.join("transcript.jsonl"))?;
        Ok(Self { stage, words: Words::of(language)?, transcript, pictures: 0 })
    }

    /// Lets the world or the shell do one thing and writes it down.
    pub(super) fn do_it(&mut self, what: Do) -> Result<Done> {
        let done = self.stage.ask(&what)?;
        self.transcript.note("world", &what)?;
        Ok(done)
    }

    /// Touches the product's control with these English words.
    pub(super) fn touch(&mut self, english: &str) -> Result<()> {
        let label = self.words.say(english)?.to_owned();
        self.touch_label(&label)
    }

    /// Touches the control with this label, in the service's words.
    pub(super) fn touch_label(&mut self, label: &str) -> Result<()> {
        self.stage.ask(&Do::Touch(label.to_owned()))?;
        self.transcript.note("touches", &label)
    }

    /// Touches the control with this label on a page that may be longer than the screen.
    pub(super) fn touch_further_down(&mut self, label: &str) -> Result<()> {
        let more = self.words.say("More")?.to_owned();
        for _ in 0..PAGES_MAX {
            let shown = self.labels()?;
            if shown.iter().any(|found| found == label) || !shown.contains(&more) {
                break;
            }
            self.touch_label(&more)?;
        }
        self.touch_label(label)
    }

    /// Touches the control whose label begins so.
    pub(super) fn touch_beginning(&mut self, label: &str) -> Result<()> {
        self.stage.ask(&Do::TouchBeginning(label.to_owned()))?;
        self.transcript.note("touches", &label)
    }

    /// Waits for the product's words.
    pub(super) fn see(&mut self, english: &str) -> Result<()> {
        let text = self.words.say(english)?.to_owned();
        self.see_text(&text)
    }

    /// Waits for this text.
    pub(super) fn see_text(&mut self, text: &str) -> Result<()> {
        self.stage.ask(&Do::See(text.to_owned()))?;
        self.transcript.note("sees", &text)
    }

    /// Touches the text box with this label and types. What was typed is not written down.
    pub(super) fn type_into(&mut self, label: &str, text: &str) -> Result<()> {
        self.touch_label(label)?;
        for symbol in text.chars() {
            self.type_symbol(symbol).with_context(|| format!("no key for '{symbol}'"))?;
        }
        self.transcript.note("types", &format!("{} characters", text.chars().count()))
    }

    fn type_symbol(&mut self, symbol: char) -> Result<()> {
        let keys = self.labels()?;
        let has = |key: &str| keys.iter().any(|label| label == key);
        let key = symbol.to_string();
        if symbol == ' ' || symbol == '\n' {
            let name = self.words.say(if symbol == ' ' { "Space" } else { "New line" })?.to_owned();
            // A number pad has no space: nobody needs one between digits.
            return if symbol == ' ' && !has(&name) { Ok(()) } else { self.hit(&name) };
        }
        if has(&key) {
            return self.hit(&key);
        }
        let latin = self.words.say("Latin letters")?.to_owned();
        if symbol.is_ascii_alphabetic() && has(&latin) {
            self.hit(&latin)?;
            return self.type_symbol(symbol);
        }
        let lower: String = symbol.to_lowercase().collect();
        let plane = if lower != key && has(&lower) {
            "Capitals"
        } else if has(self.words.say("Signs")?) && symbol.is_ascii_punctuation() {
            "Signs"
        } else if has(self.words.say("More letters")?) {
            "More letters"
        } else {
            "Letters"
        };
        let plane_key = self.words.say(plane)?.to_owned();
        self.hit(&plane_key)?;
        self.hit(&key)?;
        if plane == "Signs" {
            let letters = self.words.say("Letters")?.to_owned();
            self.hit(&letters)?;
        }
        Ok(())
    }

    fn hit(&mut self, key: &str) -> Result<()> {
        self.stage.ask(&Do::Touch(key.to_owned())).map(|_| ())
    }

    /// Everything with a label on the screen.
    pub(super) fn labels(&mut self) -> Result<Vec<String>> {
        match self.stage.ask(&Do::Labels)? {
            Done::Labels(labels) => Ok(labels),
            other @ (Done::Yes | Done::Bytes(_) | Done::Focused(_) | Done::No(_)) => {
                anyhow::bail!("the shell answered {other:?}")
            }
        }
    }

    /// Takes the picture of this page, upright and lying.
    pub(super) fn picture(&mut self, name: &str) -> Result<()> {
        self.pictures += 1;
        let path = self.stage.out.join(format!("screens/{:02}-{name}", self.pictures));
        self.stage.ask(&Do::Picture(path))?;
        self.transcript.note("page", &name)
    }

    /// Keeps what the printer received: bytes, the picture they make, the PDF.
    pub(super) fn take_receipt(&mut self) -> Result<()> {
        let out = self.stage.out.clone();
        let Done::Bytes(bytes) = self.stage.ask(&Do::PrinterBytes)? else { anyhow::bail!("no bytes") };
        std::fs::write(out.join("receipt.bin"), &bytes)?;
        let picture =
            hal::sim::picture::render(&bytes, 576).into_iter().next().context("the printer cut nothing")?;
        std::fs::write(out.join("receipt.png"), picture.to_png()?)?;
        self.stage.ask(&Do::ReceiptPdf(out.join("receipt.pdf")))?;
        self.transcript.note("takes", &"the receipt")
    }
}

/// The whole story: one citizen, the link cut, the next citizen, the link back.
pub(super) fn run(out: &Path) -> Result<ExitCode> {
    let mut stage = Stage::set(out, &["en", "fr", "cy", "ar"], &[stage::report_street_problem()])?;
    stage.open_shell("1080x1920")?;
    let mut citizen = Citizen::new(&mut stage, "fr")?;
    citizen.report_a_pothole()?;
    citizen.stage.link.set(false);
    citizen.touch("Accept and send")?;
    citizen.see("Saved on this kiosk, not sent yet")?;
    citizen.see("Your receipt was printed. Take it with you.")?;
    citizen.picture("saved-here")?;
    let claim = citizen.read_claim_code()?;
    citizen.take_receipt()?;
    citizen.touch("Finish")?;
    citizen.see("Your answers were deleted from this screen")?;
    citizen.picture("ended")?;
    let sightings = citizen.nothing_is_left_behind()?;
    citizen.stage.link.set(true);
    citizen.look_up(&claim)?;
    citizen.look_up_by_keys(&claim)?;
    citizen.leave()?;
    let counts = Counts::of(1, &stage.ledger.names());
    finish(&stage, counts, &sightings)
}

/// The last line, and whether it is what was promised.
pub(super) fn finish(stage: &Stage, counts: Counts, sightings: &[Sighting]) -> Result<ExitCode> {
    for Sighting { canary, place } in sightings {
        println!("the first citizen's answer {canary} was found afterwards in {place}");
    }
    let pictures = std::fs::read_dir(stage.out.join("screens"))?.count();
    println!(
        "{pictures} pictures, receipt.bin, receipt.png, receipt.pdf and transcript.jsonl in {}",
        stage.out.display()
    );
    println!("{counts}");
    Ok(if counts.is_kept() && sightings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Citizen<'_> {
    /// French, the street problem, one mistake, a card, one changed answer; up to the check page.
    pub(super) fn report_a_pothole(&mut self) -> Result<()> {
        self.picture("attract")?;
        self.touch_attract()?;
        self.picture("language")?;
        self.touch_label("Français")?;
        self.picture("services")?;
        self.touch_beginning("Signaler un problème dans la rue")?;
        self.picture("start")?;
        self.touch("Start")?;
        self.touch_label("Nid-de-poule ou chaussée abîmée")?;
        self.picture("kind")?;
        self.touch("Continue")?;
        self.touch("Continue")?;
        self.see("There is a problem")?;
        self.picture("mistake")?;
        self.type_into("Où se trouve le problème ?", WHERE)?;
        self.picture("where")?;
        self.touch("Continue")?;
        self.type_into("Que voyez-vous ?", WHAT)?;
        self.touch("Continue")?;
        self.see_text("Quand l’avez-vous remarqué pour la première fois ?")?;
        self.picture("when")?;
        self.touch("Continue")?;
        self.see_text("Quel est le numéro de votre carte de bibliothèque ?")?;
        self.picture("insert-card")?;
        self.do_it(Do::InsertCard(CARD.to_owned()))?;
        self.see("Your card was read. Take it back now.")?;
        self.picture("card-read")?;
        self.do_it(Do::PullCard)?;
        self.touch("Continue")?;
        self.touch("No")?;
        self.touch("Continue")?;
        self.see("Check your answers")?;
        self.picture("check-answers")?;
        self.change_what_they_see()?;
        self.picture("check-answers-again")
    }

    fn change_what_they_see(&mut self) -> Result<()> {
        let change = self.words.say("Change")?.to_owned();
        let row = self
            .labels()?
            .into_iter()
            .find(|label| label.starts_with(&change) && label.contains("Que voyez-vous"));
        self.touch_label(&row.context("no way to change the answer")?)?;
        self.type_into("Que voyez-vous ?", WHAT_MORE)?;
        self.touch("Continue")?;
        self.see_text(WHAT_MORE.trim())
    }

    /// Wakes the kiosk, which greets in the first of its languages.
    pub(super) fn touch_attract(&mut self) -> Result<()> {
        let label = Words::of(self.stage.greets_in)?.say("Touch to start")?.to_owned();
        self.touch_label(&label)
    }

    /// The code in groups of four, as it stands on the screen.
    pub(super) fn read_claim_code(&mut self) -> Result<String> {
        let is_code = |label: &String| label.parse::<kiosk_core::claim::ClaimCode>().is_ok();
        self.labels()?.into_iter().find(is_code).context("no claim code on the screen")
    }

    /// The next citizen's screen, the memory of shell and agent, every file: nothing of the first.
    fn nothing_is_left_behind(&mut self) -> Result<Vec<Sighting>> {
        let texts = [WHERE, WHAT, WHAT_MORE.trim(), CARD];
        self.touch_attract()?;
        self.see_text("Français")?;
        self.picture("next-citizen")?;
        self.same_picture("02-language", "15-next-citizen")?;
        let shown = self.labels()?.join(" ");
        ensure!(
            texts.iter().all(|text| !shown.contains(text)),
            "the next citizen reads the first one's answers"
        );
        let canaries = Canaries::new(&texts);
        let (shell, agent, _) = self.stage.pids();
        let mut sightings = canaries.in_process(shell.context("no shell")?, "the shell's memory")?;
        sightings.extend(canaries.in_process(agent, "the agent's memory")?);
        for folder in ["agent-state", "gateway", "logs", "run"] {
            sightings.extend(canaries.in_folder(&self.stage.out.join(folder))?);
        }
        Ok(sightings)
    }

    /// Two pages of this run look the same to the last pixel, upright and lying.
    fn same_picture(&self, one: &str, other: &str) -> Result<()> {
        for side in ["portrait", "landscape"] {
            let [one, other] = [one, other].map(|name| {
                let file = self.stage.out.join(format!("screens/{name}-{side}.png"));
                std::fs::read(&file).with_context(|| format!("reading {}", file.display()))
            });
            ensure!(one? == other?, "the next citizen's page differs from the first one's ({side})");
        }
        Ok(())
    }

    /// Looks a claim up until it is answered: the link may need a moment to come back.
    pub(super) fn look_up(&mut self, claim: &str) -> Result<()> {
        self.wait_until_delivered()?;
        self.look_up_typed(claim)?;
        self.see("Answered")?;
        let reference = self.stage.ledger.references().into_iter().next().context("no service request")?;
        self.see_text(&reference)?;
        self.picture("answered")?;
        self.touch("Finish")
    }

    /// Without touching anything: the keypad's keys, and the receipt under the scanner.
    fn look_up_by_keys(&mut self, claim: &str) -> Result<()> {
        self.see("Your answers were deleted from this screen")?;
        self.press("select")?;
        self.see_text("Français")?;
        self.walk_to("Français")?;
        self.walk_there_and_back()?;
        let lookup = self.words.say("Check something you sent")?.to_owned();
        self.walk_to(&lookup)?;
        self.see("Or hold the square on your receipt under the scanner.")?;
        self.stage.ask(&Do::Scan("5012345678900".into()))?;
        self.see("That was not the square on one of our receipts. Try again, or type the code.")?;
        self.picture("not-our-square")?;
        self.stage.ask(&Do::Scan(format!("https://kiosk.example/claim#{claim}")))?;
        self.see("Answered")?;
        self.picture("answered-by-keys")?;
        let finish = self.words.say("Finish")?.to_owned();
        self.walk_to(&finish)?;
        self.see("Your answers were deleted from this screen")
    }

    /// Up undoes down; right goes on from a service's first page, left goes back.
    fn walk_there_and_back(&mut self) -> Result<()> {
        let services = self.words.say("What do you want to do?")?.to_owned();
        self.see_text(&services)?;
        let first = self.press("down")?;
        ensure!(self.press("down")? != first, "down goes nowhere");
        ensure!(self.press("up")? == first, "up does not undo down");
        self.walk_to("Signaler un problème dans la rue")?;
        self.see("Start")?;
        self.press("right")?;
        self.see_text("De quel problème s’agit-il ?")?;
        self.press("left")?;
        self.see("Start")?;
        self.press("left")?;
        self.see_text(&services)
    }

    /// Presses a key of the keypad; what has the focus then.
    fn press(&mut self, key: &str) -> Result<String> {
        self.stage.ask(&Do::Key(key.to_owned()))?;
        match self.stage.ask(&Do::Focused)? {
            Done::Focused(on) => Ok(on),
            other @ (Done::Yes | Done::Labels(_) | Done::Bytes(_) | Done::No(_)) => {
                anyhow::bail!("the shell answered {other:?}")
            }
        }
    }

    /// Goes down with the keypad until this control has the focus, and selects it.
    fn walk_to(&mut self, label: &str) -> Result<()> {
        for _ in 0..KEYS_MAX {
            if self.press("down")? == label {
                self.transcript.note("walks to", &label)?;
                return self.press("select").map(|_| ());
            }
        }
        anyhow::bail!("no key leads to '{label}'")
    }

    /// From the language page to the result.
    pub(super) fn look_up_typed(&mut self, claim: &str) -> Result<()> {
        self.touch_label("Français")?;
        self.touch("Check something you sent")?;
        self.picture("lookup")?;
        for symbol in claim.chars().filter(|symbol| *symbol != '-') {
            self.hit(&symbol.to_string())?;
        }
        self.picture("lookup-typed")?;
        self.touch("Look up")
    }

    /// The envelope travels by itself once the link is back.
    pub(super) fn wait_until_delivered(&mut self) -> Result<()> {
        let start = std::time::Instant::now();
        while self.stage.ledger.names().is_empty() {
            ensure!(start.elapsed() < DELIVERY_LIMIT, "not delivered within {DELIVERY_LIMIT:?}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(())
    }

    /// Closes the shell.
    pub(super) fn leave(&mut self) -> Result<()> {
        self.stage.ask(&Do::Quit).map(|_| ())
    }
}
