//! Golden values of ring algorithm 1, computed by an independent program from `docs/formats/layout.md`.

use super::ring::position;

#[test]
fn positions_are_those_of_the_format_document() {
    let golden = [
        (0, 0, 0xf436_7c75_31c4_ce75),
        (1, 0, 0x131b_2c67_8189_5071),
        (1, 1, 0x4607_56bb_efa9_9f42),
        (0xfeed_face_cafe_beef, 255, 0x9a12_69de_050e_a2ae),
    ];
    for (seed, index, expected) in golden {
        assert_eq!(position(seed, index), expected, "virtual node {index} of {seed:#x}");
    }
}
