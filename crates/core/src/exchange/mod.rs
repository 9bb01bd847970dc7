//! stub
pub(crate) mod tend;
