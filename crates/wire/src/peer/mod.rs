//! Frames and handshake between servers.
