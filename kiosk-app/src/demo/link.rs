//! The demo's link between agent and gateway: a TCP relay with a switch.
//!
//! Promises: when it is cut, open connections break and new ones are refused at once.
//! Never: listens beyond loopback.

use std::net::SocketAddr;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// The switch.
#[derive(Clone)]
pub struct Link {
    up: watch::Sender<bool>,
}

impl Link {
    /// Relays what comes to `listener` to `gateway` from now on.
    #[must_use]
    pub fn relay(listener: TcpListener, gateway: SocketAddr) -> Self {
        let (up, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *state.borrow() {
                    tokio::spawn(carry(client, gateway, state.clone()));
                }
            }
        });
        Self { up }
    }

    /// Cuts or mends the link.
    pub fn set(&self, up: bool) {
        self.up.send_replace(up);
    }
}

async fn carry(mut client: TcpStream, gateway: SocketAddr, mut state: watch::Receiver<bool>) {
    let Ok(mut server) = TcpStream::connect(gateway).await else { return };
    tokio::select! {
        // Either side hanging up ends the pair; there is nothing to report.
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = state.wait_for(|up| !up) => {}
    }
}
