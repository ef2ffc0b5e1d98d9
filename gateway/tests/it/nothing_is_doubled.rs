//! The same envelope, sent again at every step, is one effect at the service.

mod busy;
mod list;

use crate::bench::Bench;

/// A bench whose gateway hardly waits for the answer.
async fn impatient() -> Bench {
    let bench = Bench::new().await;
    bench.write("gateway.toml", &bench.config().replace("answer_wait_ms = 5000", "answer_wait_ms = 20"));
    bench
}
