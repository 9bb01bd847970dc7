//! The part of RocksDB's C interface that is used here (`rocksdb/c.h` of 7.8.3), and safe values over it. The only
//! unsafe code of the crate.
//!
//! Every handle is made by RocksDB, never null once it is in a value, and given back once, by `Drop`. What a
//! call gets by reference it copies or uses only until it returns; options that a database goes on using live
//! as long as it does.
#![allow(unsafe_code)]

use anyhow::{Context, Result, bail};
use std::{
    ffi::{CStr, CString, c_char, c_int, c_uchar},
    path::Path,
    ptr::{self, NonNull},
};

macro_rules! opaque {
    ($($name:ident),*) => { $(
        #[repr(C)]
        struct $name { _opaque: [u8; 0] }
    )* };
}
opaque!(Db, Options, TableOptions, FilterPolicy, Cache, WriteOptions, ReadOptions, FlushOptions);
opaque!(WriteBatch, Iter, PinnableSlice);

#[rustfmt::skip]
unsafe extern "C" {
    fn rocksdb_free(memory: *mut c_char);
    fn rocksdb_open(options: *const Options, name: *const c_char, error: *mut *mut c_char) -> *mut Db;
    fn rocksdb_close(db: *mut Db);
    fn rocksdb_put(db: *mut Db, options: *const WriteOptions, key: *const u8, key_bytes: usize, value: *const u8, value_bytes: usize, error: *mut *mut c_char);
    fn rocksdb_write(db: *mut Db, options: *const WriteOptions, batch: *mut WriteBatch, error: *mut *mut c_char);
    fn rocksdb_get_pinned(db: *mut Db, options: *const ReadOptions, key: *const u8, key_bytes: usize, error: *mut *mut c_char) -> *mut PinnableSlice;
    fn rocksdb_pinnableslice_value(slice: *const PinnableSlice, bytes: *mut usize) -> *const u8;
    fn rocksdb_pinnableslice_destroy(slice: *mut PinnableSlice);
    fn rocksdb_flush(db: *mut Db, options: *const FlushOptions, error: *mut *mut c_char);
    fn rocksdb_property_int(db: *mut Db, name: *const c_char, value: *mut u64) -> c_int;

    fn rocksdb_writebatch_create() -> *mut WriteBatch;
    fn rocksdb_writebatch_destroy(batch: *mut WriteBatch);
    fn rocksdb_writebatch_put(batch: *mut WriteBatch, key: *const u8, key_bytes: usize, value: *const u8, value_bytes: usize);

    fn rocksdb_create_iterator(db: *mut Db, options: *const ReadOptions) -> *mut Iter;
    fn rocksdb_iter_destroy(iter: *mut Iter);
    fn rocksdb_iter_valid(iter: *const Iter) -> c_uchar;
    fn rocksdb_iter_seek(iter: *mut Iter, key: *const u8, key_bytes: usize);
    fn rocksdb_iter_next(iter: *mut Iter);
    fn rocksdb_iter_key(iter: *const Iter, bytes: *mut usize) -> *const u8;
    fn rocksdb_iter_value(iter: *const Iter, bytes: *mut usize) -> *const u8;
    fn rocksdb_iter_get_error(iter: *const Iter, error: *mut *mut c_char);

    fn rocksdb_options_create() -> *mut Options;
    fn rocksdb_options_destroy(options: *mut Options);
    fn rocksdb_options_set_create_if_missing(options: *mut Options, value: c_uchar);
    fn rocksdb_options_set_compression(options: *mut Options, value: c_int);
    fn rocksdb_options_set_write_buffer_size(options: *mut Options, bytes: usize);
    fn rocksdb_options_set_max_write_buffer_number(options: *mut Options, value: c_int);
    fn rocksdb_options_set_max_background_jobs(options: *mut Options, value: c_int);
    fn rocksdb_options_set_target_file_size_base(options: *mut Options, bytes: u64);
    fn rocksdb_options_set_max_bytes_for_level_base(options: *mut Options, bytes: u64);
    fn rocksdb_options_set_level_compaction_dynamic_level_bytes(options: *mut Options, value: c_uchar);
    fn rocksdb_options_set_block_based_table_factory(options: *mut Options, table: *mut TableOptions);
    fn rocksdb_block_based_options_create() -> *mut TableOptions;
    fn rocksdb_block_based_options_destroy(options: *mut TableOptions);
    fn rocksdb_block_based_options_set_block_size(options: *mut TableOptions, bytes: usize);
    fn rocksdb_block_based_options_set_format_version(options: *mut TableOptions, version: c_int);
    fn rocksdb_block_based_options_set_filter_policy(options: *mut TableOptions, policy: *mut FilterPolicy);
    fn rocksdb_block_based_options_set_block_cache(options: *mut TableOptions, cache: *mut Cache);
    fn rocksdb_filterpolicy_create_bloom_full(bits_per_key: f64) -> *mut FilterPolicy;
    fn rocksdb_cache_create_lru(bytes: usize) -> *mut Cache;
    fn rocksdb_cache_destroy(cache: *mut Cache);
    fn rocksdb_writeoptions_create() -> *mut WriteOptions;
    fn rocksdb_writeoptions_destroy(options: *mut WriteOptions);
    fn rocksdb_writeoptions_set_sync(options: *mut WriteOptions, value: c_uchar);
    fn rocksdb_readoptions_create() -> *mut ReadOptions;
    fn rocksdb_readoptions_destroy(options: *mut ReadOptions);
    fn rocksdb_flushoptions_create() -> *mut FlushOptions;
    fn rocksdb_flushoptions_destroy(options: *mut FlushOptions);
}

/// What a database is opened with; the rest is RocksDB's default.
pub struct Tuning {
    /// Bytes of a memtable.
    pub write_buffer_bytes: usize,
    /// Memtables, the active one included, before writers wait.
    pub write_buffers: c_int,
    /// Threads for flush and compaction.
    pub background_jobs: c_int,
    /// Bytes of a table on the first level.
    pub table_bytes: u64,
    /// Bytes of the first level.
    pub level_bytes: u64,
    /// Bytes of a block.
    pub block_bytes: usize,
    /// Bytes of the block cache.
    pub cache_bytes: usize,
    /// Bits of the Bloom filters.
    pub bloom_bits: f64,
    /// Whether blocks are compressed, with LZ4.
    pub lz4: bool,
}

/// An open database. Any thread may use it.
pub struct Database {
    db: NonNull<Db>,
    read: NonNull<ReadOptions>,
    write: NonNull<WriteOptions>,
    write_synced: NonNull<WriteOptions>,
    cache: NonNull<Cache>,
}

// SAFETY: RocksDB's database handle may be used by all threads at once; the options are only read.
unsafe impl Send for Database {}
// SAFETY: as above.
unsafe impl Sync for Database {}

fn made<T>(handle: *mut T) -> NonNull<T> {
    NonNull::new(handle).expect("RocksDB aborts rather than answer null here")
}

/// Runs a call that reports errors as text.
fn checked<T>(call: impl FnOnce(*mut *mut c_char) -> T) -> Result<T> {
    let mut error = ptr::null_mut();
    let result = call(&raw mut error);
    if error.is_null() {
        return Ok(result);
    }
    // SAFETY: a reported error is a C string of ours to free, and it is not used afterwards.
    let text = unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        rocksdb_free(error);
        text
    };
    bail!("RocksDB: {text}")
}

/// Database options over a cache, to be destroyed by the caller.
fn options(tuning: &Tuning, cache: NonNull<Cache>) -> NonNull<Options> {
    // SAFETY: all handles are new; the table options take the policy over, and the factory copies the rest.
    unsafe {
        let table = rocksdb_block_based_options_create();
        rocksdb_block_based_options_set_block_size(table, tuning.block_bytes);
        rocksdb_block_based_options_set_format_version(table, 5);
        let policy = rocksdb_filterpolicy_create_bloom_full(tuning.bloom_bits);
        rocksdb_block_based_options_set_filter_policy(table, policy);
        rocksdb_block_based_options_set_block_cache(table, cache.as_ptr());
        let options = rocksdb_options_create();
        rocksdb_options_set_create_if_missing(options, 1);
        rocksdb_options_set_compression(options, if tuning.lz4 { 4 } else { 0 });
        rocksdb_options_set_write_buffer_size(options, tuning.write_buffer_bytes);
        rocksdb_options_set_max_write_buffer_number(options, tuning.write_buffers);
        rocksdb_options_set_max_background_jobs(options, tuning.background_jobs);
        rocksdb_options_set_target_file_size_base(options, tuning.table_bytes);
        rocksdb_options_set_max_bytes_for_level_base(options, tuning.level_bytes);
        rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
        rocksdb_options_set_block_based_table_factory(options, table);
        rocksdb_block_based_options_destroy(table);
        made(options)
    }
}

impl Database {
    /// Opens a folder, making it if there is none.
    pub fn open(folder: &Path, tuning: &Tuning) -> Result<Database> {
        let name = CString::new(folder.as_os_str().as_encoded_bytes()).context("a zero byte in a path")?;
        // SAFETY: `name` and `options` outlive the call; the database copies both.
        unsafe {
            let cache = made(rocksdb_cache_create_lru(tuning.cache_bytes));
            let options = options(tuning, cache);
            let opened = checked(|error| rocksdb_open(options.as_ptr(), name.as_ptr(), error));
            rocksdb_options_destroy(options.as_ptr());
            let db = made(opened?);
            let write_synced = made(rocksdb_writeoptions_create());
            rocksdb_writeoptions_set_sync(write_synced.as_ptr(), 1);
            Ok(Database {
                db,
                read: made(rocksdb_readoptions_create()),
                write: made(rocksdb_writeoptions_create()),
                write_synced,
                cache,
            })
        }
    }

    fn write_options(&self, sync: bool) -> *const WriteOptions {
        if sync { self.write_synced.as_ptr() } else { self.write.as_ptr() }
    }

    /// Puts.
    pub fn put(&self, key: &[u8], value: &[u8], sync: bool) -> Result<()> {
        let options = self.write_options(sync);
        // SAFETY: pointers and lengths belong to slices that outlive the call.
        checked(|error| unsafe {
            let (db, key_bytes) = (self.db.as_ptr(), key.len());
            rocksdb_put(db, options, key.as_ptr(), key_bytes, value.as_ptr(), value.len(), error);
        })
    }

    /// Applies a batch.
    pub fn write(&self, batch: &Batch, sync: bool) -> Result<()> {
        let options = self.write_options(sync);
        // SAFETY: both handles are live; the batch is ours alone.
        checked(|error| unsafe { rocksdb_write(self.db.as_ptr(), options, batch.0.as_ptr(), error) })
    }

    /// The length of a key's value, which is pinned for a moment and not copied.
    pub fn length(&self, key: &[u8]) -> Result<Option<usize>> {
        // SAFETY: the key outlives the call.
        let slice = checked(|error| unsafe {
            rocksdb_get_pinned(self.db.as_ptr(), self.read.as_ptr(), key.as_ptr(), key.len(), error)
        })?;
        if slice.is_null() {
            return Ok(None);
        }
        let mut bytes = 0;
        // SAFETY: the slice is live until it is destroyed, once.
        unsafe {
            std::hint::black_box(rocksdb_pinnableslice_value(slice, &raw mut bytes));
            rocksdb_pinnableslice_destroy(slice);
        }
        Ok(Some(bytes))
    }

    /// Reads up to so many entries in order from a key on; answers how many there were.
    pub fn scan(&self, from: &[u8], most: u64) -> Result<u64> {
        let mut count = 0;
        // SAFETY: the iterator is live until the end; key and value are asked for while it is valid.
        unsafe {
            let iter = rocksdb_create_iterator(self.db.as_ptr(), self.read.as_ptr());
            rocksdb_iter_seek(iter, from.as_ptr(), from.len());
            while count < most && rocksdb_iter_valid(iter) != 0 {
                let mut bytes = 0;
                std::hint::black_box(rocksdb_iter_key(iter, &raw mut bytes));
                std::hint::black_box(rocksdb_iter_value(iter, &raw mut bytes));
                count += 1;
                rocksdb_iter_next(iter);
            }
            let result = checked(|error| rocksdb_iter_get_error(iter, error));
            rocksdb_iter_destroy(iter);
            result.map(|()| count)
        }
    }

    /// Writes the memtable to a table and waits for it.
    pub fn flush(&self) -> Result<()> {
        // SAFETY: the options are live during the call; to wait is their default.
        unsafe {
            let options = rocksdb_flushoptions_create();
            let result = checked(|error| rocksdb_flush(self.db.as_ptr(), options, error));
            rocksdb_flushoptions_destroy(options);
            result
        }
    }

    /// A figure of the database; an unknown one is an error.
    pub fn property(&self, name: &CStr) -> Result<u64> {
        let mut value = 0;
        // SAFETY: name and value outlive the call.
        let answer = unsafe { rocksdb_property_int(self.db.as_ptr(), name.as_ptr(), &raw mut value) };
        if answer == 0 { Ok(value) } else { bail!("RocksDB does not know {}", name.to_string_lossy()) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // SAFETY: each handle is given back once, the database before what it uses.
        unsafe {
            rocksdb_close(self.db.as_ptr());
            rocksdb_readoptions_destroy(self.read.as_ptr());
            rocksdb_writeoptions_destroy(self.write.as_ptr());
            rocksdb_writeoptions_destroy(self.write_synced.as_ptr());
            rocksdb_cache_destroy(self.cache.as_ptr());
        }
    }
}

/// Puts that are applied together.
pub struct Batch(NonNull<WriteBatch>);

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        // SAFETY: no arguments.
        Batch(made(unsafe { rocksdb_writebatch_create() }))
    }

    /// Adds a put.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        let batch = self.0.as_ptr();
        // SAFETY: the batch copies both slices.
        unsafe { rocksdb_writebatch_put(batch, key.as_ptr(), key.len(), value.as_ptr(), value.len()) };
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: given back once.
        unsafe { rocksdb_writebatch_destroy(self.0.as_ptr()) };
    }
}
