//! Commands that are answered without asking a replica.

use super::{
    Door, Pending, Ready, Seq, Work, cluster, config,
    execute::{Start, Step},
    info,
    render::Shape,
    serve::new_session,
};
use crate::{
    server::{Asker, Control, InstallError},
    shard::{Key, Letter, ShardState},
};
use bytes::Bytes;
use clockwise_wire::{
    command::{ClusterCommand, Command, SessionChange, write_help},
    resp::ReplyWriter,
};

impl ShardState {
    /// Answers a command that touches no key.
    pub(super) fn answer_at_once(&mut self, start: Start, command: Command) -> Step {
        match command {
            Command::Ping { message: Some(message) } | Command::Echo { message } => {
                self.say_as(start, |writer| writer.bulk(&message));
            }
            Command::Ping { message: None } => self.say_as(start, |writer| writer.simple("PONG")),
            Command::Quit => {
                self.say_as(start, |writer| writer.ok());
                return Step::Close;
            }
            Command::Reset => {
                let session = new_session(&self.shared);
                if let Some(client) = self.connections.get_mut(start.connection) {
                    client.session = session;
                }
                self.say_as(start, |writer| writer.simple("RESET"));
            }
            Command::Hello(hello) => self.hello(start, hello),
            Command::Auth { user, password } => self.auth(start, user, &password),
            Command::Client(command) => self.client(start, command),
            Command::Select | Command::ReadOnly | Command::ReadWrite => {
                self.say_as(start, |writer| writer.ok())
            }
            Command::Session(change) => self.session(start, change),
            Command::Command(query) => self.say_as(start, |writer| query.write(writer)),
            Command::Help(row) => self.say_as(start, |writer| write_help(row, writer)),
            Command::ConfigGet { patterns } => {
                let found = config::find(&self.shared.settings, &patterns);
                self.say_as(start, |writer| config::write(&found, writer));
            }
            Command::Info { sections } => {
                let text = info::text(self, start.connection, &sections);
                self.say_as(start, |writer| writer.verbatim(text.as_bytes()));
            }
            Command::Cluster(command) => self.cluster(start, command),
            Command::Status => {
                let status = crate::server::status(&self.shared);
                self.say_json(start, &status);
            }
            Command::Identify => {
                let identity = crate::server::identify(&self.shared);
                self.say_json(start, &identity);
            }
            Command::Install { layout } => self.install(start, layout),
            Command::ForceComplete { slot } => {
                self.shared.tell_all(|| Letter::ForceComplete(slot));
                self.say_as(start, |writer| writer.ok());
            }
            other => {
                debug_assert!(false, "{other:?} is started elsewhere");
                self.say_as(start, |writer| writer.error("ERR internal: this command is not served"));
            }
        }
        Step::Taken
    }

    fn cluster(&mut self, start: Start, command: ClusterCommand) {
        if self.door(start.connection) == Door::Plain {
            return self
                .say_as(start, |writer| writer.error("ERR This instance has cluster support disabled"));
        }
        if let ClusterCommand::CountKeysInSlot(slot) = command {
            return self.count_slot(start, slot);
        }
        let shared = std::sync::Arc::clone(&self.shared);
        self.say_as(start, |writer| cluster::write(&shared, command, writer));
    }

    fn say_json(&mut self, start: Start, value: &impl serde::Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.say_as(start, |writer| writer.bulk(text.as_bytes())),
            Err(error) => self.say_as(start, |writer| writer.error(&format!("ERR internal: {error}"))),
        }
    }

    /// `CW.SESSION`: what it sets it answers, and without arguments it only answers.
    fn session(&mut self, start: Start, change: SessionChange) {
        let Some(client) = self.connections.get_mut(start.connection) else { return };
        let session = &mut client.session;
        (session.read, session.write) = change.levels(session.read, session.write);
        session.timeout_ms = change.timeout_ms.unwrap_or(session.timeout_ms);
        if !change.is_question() {
            return self.say_as(start, |writer| writer.ok());
        }
        let (read, write, timeout_ms) = (session.read, session.write, session.timeout_ms);
        self.say_as(start, |writer| {
            writer.map(5);
            for (name, level) in [("r", read), ("w", write)] {
                writer.bulk(name.as_bytes());
                writer.bulk(config::need_text(level.need).as_bytes());
            }
            for (name, strict) in [("r_level", read.strict), ("w_level", write.strict)] {
                writer.bulk(name.as_bytes());
                writer.bulk(if strict { b"strict" } else { b"sloppy" });
            }
            writer.bulk(b"timeout_ms");
            writer.integer(i64::try_from(timeout_ms).unwrap_or(i64::MAX));
        });
    }

    /// `CW.INSTALL`: answered when the layout is durable and every shard has been told of it.
    fn install(&mut self, start: Start, layout: Bytes) {
        let work = Work::One(Shape::Done);
        let pending = Pending { command: start.kind, started_us: self.reading.mono_us, work };
        let Some(client) = self.connections.get_mut(start.connection) else { return };
        let seq = client.replies.start(pending, None);
        let asker = Asker::Client { shard: self.id, connection: start.connection, seq };
        if !self.shared.control.send(Control::Layout { layout, asker }) {
            self.on_installed(start.connection, seq, Err(InstallError::Unavailable));
        }
    }

    /// The answer to `CW.INSTALL`.
    pub(crate) fn on_installed(&mut self, connection: Key, seq: Seq, result: Result<(), InstallError>) {
        let Some(client) = self.connections.get_mut(connection) else { return };
        let Some((_, first)) = client.finish(seq) else { return };
        let mut bytes = Vec::new();
        let mut writer = ReplyWriter::new(&mut bytes, client.session.protocol);
        match result {
            Ok(()) => writer.ok(),
            Err(why) => writer.error(&format!("ERR {why}")),
        }
        self.reply(connection, seq, Ready::Bytes(bytes), first);
    }
}
