//! Accepting connections: a handshake, a unit's name, HTTP/1.1 or HTTP/2 on top.
//!
//! Promises: every wait has a limit; after `stop` no connection is accepted and running requests end
//! within [`DRAIN_WAIT`].
//! Never: gives a request to the router without the name of the unit that sent it.

use crate::tls;
use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// The longest a handshake takes.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// The longest a request's headers take to arrive.
const HEADERS_WAIT: Duration = Duration::from_secs(15);
/// The longest a shutdown waits for running requests.
const DRAIN_WAIT: Duration = Duration::from_secs(10);
/// The pause after the system refused to accept, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Connections at once.
const CONNECTIONS_MAX: usize = 4_096;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
/// Between pings on an HTTP/2 connection, to notice a dead one.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// The name of the unit on the other end of the connection, from its certificate.
#[derive(Clone, Debug)]
pub(crate) struct Unit(pub(crate) String);

/// Serves `router` until `stop`.
pub(crate) async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: &Router,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Ok(place) = room.clone().try_acquire_owned() else {
                    tracing::warn!(%peer, limit = CONNECTIONS_MAX, "too many connections");
                    continue;
                };
                let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, acceptor, router, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = timeout(DRAIN_WAIT, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(open = connections.len(), "connections cut at shutdown");
    }
}

/// Ends when `stop` is true or nobody can set it any more.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means the sender is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let stream = match timeout(HANDSHAKE_WAIT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::warn!(%error, "handshake"),
        Err(_) => return tracing::warn!("handshake: no end in time"),
    };
    let Some(name) = tls::unit_name(stream.get_ref().1) else {
        return tracing::warn!("a certificate of our CA without a usable common name");
    };
    let service = TowerToHyperService::new(router.layer(Extension(Unit(name))));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WAIT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "connection");
    }
}
