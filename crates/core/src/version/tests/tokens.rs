//! Sealed tokens: exact or refused, trimmed only as a put's reply, never forged.

use super::{Server, actor, dot, dots};
use crate::{
    hlc::Hlc,
    ids::{Actor, MemberNumber},
    limits::TOKEN_BYTES,
    version::{DotSet, Token, TokenError, TokenKey},
};
use bytes::Bytes;
use std::vec::Vec;

const CLUSTER: TokenKey = TokenKey([3; 16]);

fn open(sealed: &[u8], key: &[u8]) -> Result<Token, TokenError> {
    Token::open(Bytes::copy_from_slice(sealed), &CLUSTER, key)
}

fn usual() -> Token {
    let mut s1 = Server::new(1);
    let first = s1.set(0, 1 << 57);
    let mut s2 = Server::new(2);
    s2.put(&first.reply, 1, 1 << 57).reply
}

#[test]
fn a_sealed_token_opens_for_its_key_alone() {
    for token in [Token::EMPTY, usual()] {
        let sealed = token.seal(&CLUSTER, b"key").unwrap();
        assert!(sealed.len() <= 40);
        assert_eq!(open(&sealed, b"key"), Ok(token));
        assert_eq!(open(&sealed, b"other"), Err(TokenError::Forged));
        let other_cluster = Token::open(Bytes::from(sealed), &TokenKey([4; 16]), b"key");
        assert_eq!(other_cluster, Err(TokenError::Forged));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let sealed = usual().seal(&CLUSTER, b"key").unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut bent = sealed.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 8 { TokenError::Malformed } else { TokenError::Forged };
        assert_eq!(open(&bent, b"key"), Err(expected));
    }
    for end in 0..sealed.len() {
        assert!(open(&sealed[..end], b"key").is_err());
    }
    assert_eq!(open(&[1; TOKEN_BYTES + 1], b"key"), Err(TokenError::TooLong));
}

#[test]
fn a_sound_checksum_over_a_bent_body_is_malformed() {
    let mut sealed = Vec::from([1, 0xff]);
    sealed.extend_from_slice(&CLUSTER.checksum(b"key", &sealed));
    assert_eq!(open(&sealed, b"key"), Err(TokenError::Malformed));
    let mut longer = Vec::from([1]);
    Token::EMPTY.encode(&mut longer);
    longer.push(0);
    longer.extend_from_slice(&CLUSTER.checksum(b"key", &longer));
    assert_eq!(open(&longer, b"key"), Err(TokenError::Malformed));
}

/// One client's chain of replies while another writes between: every second counter.
fn chained(writes: u64) -> Token {
    let mut seen = DotSet::EMPTY;
    (1..=writes).for_each(|write| seen.add(dot(1, 2 * write)));
    Token { seen, mark: Some((Hlc(7), dot(1, 2))), hi: Hlc(1 << 57) }
}

#[test]
fn a_long_token_is_refused_or_trimmed_of_its_oldest_ranges() {
    let token = chained(2_000);
    assert_eq!(token.seal(&CLUSTER, b"key"), Err(TokenError::TooLong));
    let newest = dot(1, 4_000);
    let (sealed, cut) = token.seal_trimmed(&CLUSTER, b"key", newest);
    assert!(sealed.len() <= TOKEN_BYTES && sealed.len() > TOKEN_BYTES - 4, "{}", sealed.len());
    let kept = open(&sealed, b"key").unwrap();
    assert_eq!(kept.seen.ranges().len() + cut, 2_000);
    assert!(cut > 1_400, "half a kilobyte of two-byte ranges stays");
    let expected: Vec<_> = token.seen.ranges()[cut..].to_vec();
    assert_eq!(kept.seen.ranges(), expected, "the oldest went");
    assert_eq!((kept.mark, kept.hi), (token.mark, token.hi));
    let short = usual();
    let untouched = short.seal_trimmed(&CLUSTER, b"key", newest);
    assert_eq!(untouched, (short.seal(&CLUSTER, b"key").unwrap(), 0));
}

#[test]
fn trimming_keeps_the_newest_dot_and_each_actors_top() {
    let mut token = chained(1_000);
    token.seen.add_range(actor(9), 1, 3);
    token.seen.add(dot(4, 1));
    // The newest dot is the lowest of its actor: another server's gap lies above it.
    let newest = dot(1, 2);
    let (sealed, _) = token.seal_trimmed(&CLUSTER, b"key", newest);
    let kept = open(&sealed, b"key").unwrap();
    for dot in [newest, dot(1, 2_000), dot(9, 3), dot(4, 1)] {
        assert!(kept.seen.contains(dot), "{dot:?}");
    }
    assert!(kept.seen.is_subset(&token.seen));
}

#[test]
fn of_many_actors_the_highest_counters_stay() {
    let mut seen = DotSet::EMPTY;
    (1..=600).for_each(|member| seen.add_range(actor(member), 1, 1_000 - u64::from(member)));
    let token = Token { seen, ..Token::EMPTY };
    let newest = dot(600, 1);
    let (sealed, cut) = token.seal_trimmed(&CLUSTER, b"key", newest);
    let kept = open(&sealed, b"key").unwrap().seen;
    let members: Vec<u32> = kept.ranges().iter().map(|range| range.actor.member.0).collect();
    let expected: Vec<u32> = (1..600 - cut as u32).chain([600]).collect();
    assert_eq!(members, expected);
}

#[test]
fn trimming_always_fits() {
    let mut rng = fastrand::Rng::with_seed(2);
    for _ in 0..60 {
        let mut seen = DotSet::EMPTY;
        let actors = rng.u32(1..800);
        let widest = 1u64 << rng.u32(2..62);
        for _ in 0..rng.usize(300..1_200) {
            let incarnation = if rng.bool() { 1 } else { rng.u32(1..u32::MAX) };
            let actor = Actor { member: MemberNumber(rng.u32(1..=actors)), incarnation };
            let lo = rng.u64(1..=widest);
            seen.add_range(actor, lo, lo + rng.u64(0..3));
        }
        let newest = *rng.choice(seen.ranges()).unwrap();
        let newest = crate::ids::Dot { actor: newest.actor, counter: newest.hi };
        let token = Token { seen, mark: None, hi: Hlc(rng.u64(..)) };
        let (sealed, cut) = token.seal_trimmed(&CLUSTER, b"key", newest);
        assert!(sealed.len() <= TOKEN_BYTES);
        let kept = open(&sealed, b"key").unwrap();
        assert!(kept.seen.contains(newest) && kept.seen.is_subset(&token.seen));
        assert_eq!(kept.seen.ranges().len() + cut, token.seen.ranges().len());
    }
}

#[test]
fn a_trimmed_reply_loses_nothing_and_shows_own_older_writes_at_most() {
    let mut s1 = Server::new(1);
    let other = s1.blind(200, 1);
    let mut token = Token::EMPTY;
    let mut clock = 2;
    for step in 0..20 {
        s1.put(&other.reply, 201, clock);
        token = s1.put(&token, step, clock + 1).reply;
        // Trimmed to the newest dot alone, which is the worst that trimming does.
        token.seen = dots(&[(1, token.seen.top(actor(1)), token.seen.top(actor(1)))]);
        clock += 2;
        assert!(s1.values().contains(&step), "the newest value is there");
    }
    assert!(s1.record.versions.iter().all(|version| s1.record.seen.contains(version.dot)));
    let merged = s1.token();
    s1.put(&merged, 99, clock);
    assert_eq!(s1.values(), [99], "a read mends it");
}
