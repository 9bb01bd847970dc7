//! What a connection says of itself: `HELLO`, `AUTH`, `CLIENT …`.

use super::{Connection, Door, execute::Start};
use crate::{server::clock::wall_ms, shard::ShardState};
use bytes::Bytes;
use clockwise_wire::command::{ClientCommand, ClientFilter, Hello, HelloReply};
use std::fmt::Write;
use subtle::ConstantTimeEq;

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

impl ShardState {
    pub(super) fn hello(&mut self, start: Start, hello: Hello) {
        if let Some((user, password)) = &hello.credentials
            && !self.is_right(Some(user), password)
        {
            return self.say_as(start, |writer| writer.error(WRONG_PASSWORD));
        }
        let Some(client) = self.connections.get_mut(start.connection) else { return };
        let session = &mut client.session;
        session.authenticated |= hello.credentials.is_some();
        if !session.authenticated {
            return self.say_as(start, |writer| {
                writer.error(
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
                     <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP \
                     protocol version at the same time",
                );
            });
        }
        session.protocol = hello.protocol.unwrap_or(session.protocol);
        if let Some(name) = hello.name {
            session.name = name.to_vec();
        }
        let reply = HelloReply { id: client.id, cluster: client.door == Door::Cluster };
        self.say_as(start, |writer| reply.write(writer));
    }

    pub(super) fn auth(&mut self, start: Start, user: Option<Bytes>, password: &[u8]) {
        if self.shared.settings.password.is_none() && user.is_none() {
            return self.say_as(start, |writer| {
                writer.error(
                    "ERR AUTH <password> called without any password configured for the default user. \
                              Are you sure your configuration is correct?",
                );
            });
        }
        if !self.is_right(user.as_deref(), password) {
            return self.say_as(start, |writer| writer.error(WRONG_PASSWORD));
        }
        if let Some(client) = self.connections.get_mut(start.connection) {
            client.session.authenticated = true;
        }
        self.say_as(start, |writer| writer.ok());
    }

    /// There is one user; without a configured password everything is right for it, as in Redis.
    fn is_right(&self, user: Option<&[u8]>, password: &[u8]) -> bool {
        let known = user.is_none_or(|user| user == b"default");
        let right = match &self.shared.settings.password {
            None => true,
            Some(expected) => bool::from(expected.as_bytes().ct_eq(password)),
        };
        known && right
    }

    pub(super) fn client(&mut self, start: Start, command: ClientCommand) {
        let Some(client) = self.connections.get_mut(start.connection) else { return };
        let session = &mut client.session;
        match command {
            ClientCommand::SetName(name) => session.name = name.to_vec(),
            ClientCommand::SetLibraryName(name) => session.library = name.to_vec(),
            ClientCommand::SetLibraryVersion(version) => session.library_version = version.to_vec(),
            ClientCommand::NoEvict(_) | ClientCommand::NoTouch(_) => {}
            ClientCommand::Id => {
                let id = i64::try_from(client.id).unwrap_or(i64::MAX);
                return self.say_as(start, |writer| writer.integer(id));
            }
            ClientCommand::GetName => {
                let name = session.name.clone();
                return self.say_as(start, |writer| writer.optional((!name.is_empty()).then_some(&name[..])));
            }
            ClientCommand::Info => {
                let line = describe(client);
                return self.say_as(start, |writer| writer.verbatim(line.as_bytes()));
            }
            ClientCommand::List(filter) => {
                let lines = self.describe_all(&filter);
                return self.say_as(start, |writer| writer.verbatim(lines.as_bytes()));
            }
        }
        self.say_as(start, |writer| writer.ok());
    }

    /// Connections of this shard; those of the others are not asked.
    fn describe_all(&self, filter: &ClientFilter) -> String {
        let clients = self.connections.keys().into_iter().filter_map(|key| self.connections.get(key));
        let wanted = clients.filter(|client| match filter {
            ClientFilter::All | ClientFilter::Normal => true,
            ClientFilter::Nobody => false,
            ClientFilter::Ids(ids) => ids.contains(&client.id),
        });
        wanted.map(describe).collect()
    }
}

fn describe(client: &Connection) -> String {
    let session = &client.session;
    let text = String::from_utf8_lossy;
    let mut line = String::new();
    write!(
        line,
        "id={} addr={} name={} age={} db=0 flags=N resp={} lib-name={} lib-ver={} pending={} omem={}",
        client.id,
        client.remote,
        text(&session.name),
        wall_ms().saturating_sub(client.connected_ms) / 1000,
        session.protocol.number(),
        text(&session.library),
        text(&session.library_version),
        client.replies.open(),
        client.output.waiting(),
    )
    .expect("writing to a string cannot fail");
    line.push('\n');
    line
}
