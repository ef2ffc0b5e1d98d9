//! Sealing, read back by a second implementation: `hpke` and `aws-lc-rs`, written down from RFC 9458
//! sections 4.3 and 4.4 and first checked against that RFC's appendix A.

use super::*;
use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use hpke::{
    Deserializable, Kem, OpModeR, aead::AesGcm128, kdf::HkdfSha256, kem::X25519HkdfSha256, setup_receiver,
};

const KEY_CONFIG: &str =
    "01002031e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e79815500080001000100010003";
const SECRET_KEY: &str = "3c168975674b2fa8e465970b79c8dcf09f1c741626480bd4c6162fc5b6a98e1a";
const REQUEST: &str = "00034745540568747470730b6578616d706c652e636f6d012f";
const SEALED_REQUEST: &str = "010020000100014b28f881333e7c164ffc499ad9796f877f4e1051ee6d31bad19dec96c208b472\
    6374e469135906992e1268c594d2a10c695d858c40a026e7965e7d86b83dd440b2c0185204b4d63525";
const REPLY_NONCE: &str = "c789e7151fcba46158ca84b04464910d";
const SEALED_REPLY: &str = "c789e7151fcba46158ca84b04464910d86f9013e404feea014e7be4a441f234f857fbd";
const REPLY: &str = "0140c8";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect()
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// A gateway by the letter of RFC 9458: opens a request and gives what seals the reply.
struct Reader {
    plain: Vec<u8>,
    enc: Vec<u8>,
    secret: [u8; 16],
}

fn read(sealed: &[u8]) -> Reader {
    let (header, rest) = sealed.split_at(7);
    assert_eq!(header, [1, 0, 0x20, 0, 1, 0, 1], "key 1, X25519, HKDF-SHA256, AES-128-GCM");
    let (enc, ciphertext) = rest.split_at(32);
    let info = [b"message/bhttp request\0", header].concat();
    let key = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&bytes(SECRET_KEY)).unwrap();
    let point = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(enc).unwrap();
    let mut context =
        setup_receiver::<AesGcm128, HkdfSha256, X25519HkdfSha256>(&OpModeR::Base, &key, &point, &info)
            .unwrap();
    let mut secret = [0; 16];
    context.export(b"message/bhttp response", &mut secret).unwrap();
    Reader { plain: context.open(ciphertext, &[]).unwrap(), enc: enc.to_vec(), secret }
}

impl Reader {
    fn seal_reply(&self, nonce: &[u8], plain: &[u8]) -> Vec<u8> {
        let salt = [&self.enc, nonce].concat();
        let prk = Salt::new(HKDF_SHA256, &salt).extract(&self.secret);
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        prk.expand(&[b"key"], Length(16)).unwrap().fill(&mut key).unwrap();
        prk.expand(&[b"nonce"], Length(12)).unwrap().fill(&mut iv).unwrap();
        let aead = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let mut sealed = plain.to_vec();
        let tag = aead
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::empty(), &mut sealed)
            .unwrap();
        [nonce, &sealed, tag.as_ref()].concat()
    }
}

fn request() -> HttpRequest {
    HttpRequest {
        method: "POST".into(),
        scheme: "https".into(),
        authority: "forms.example.org".into(),
        path: "/forms?lang=cy".into(),
        headers: vec![("Content-Type".into(), "text/plain".into())],
        body: SecretBytes::new(b"name=Ann".to_vec()),
    }
}

fn key() -> ServiceKey {
    ServiceKey::parse(&bytes(KEY_CONFIG)).unwrap()
}

#[test]
fn the_second_reader_reads_the_rfcs_example() {
    let reader = read(&bytes(SEALED_REQUEST));
    assert_eq!(reader.plain, bytes(REQUEST));
    assert_eq!(reader.seal_reply(&bytes(REPLY_NONCE), &bytes(REPLY)), bytes(SEALED_REPLY));
}

#[test]
fn a_request_inside_a_reply_is_not_http() {
    let (sealed, opener) = seal(&key(), &request()).unwrap();
    let reply = read(&sealed).seal_reply(&[9; 16], &bytes(REQUEST));
    assert_eq!(opener.open(&reply), Err(SealError::NotHttp));
}

#[test]
fn keys_are_read_alone_and_from_a_list() {
    let single = bytes(KEY_CONFIG);
    let list = [&[0, u8::try_from(single.len()).unwrap()], single.as_slice()].concat();
    assert_eq!(ServiceKey::parse(&single).unwrap().id(), KeyId(1));
    assert_eq!(ServiceKey::parse(&list).unwrap().id(), KeyId(1));
}

#[test]
fn a_bad_key_is_refused_not_panicked_at() {
    let good = bytes(KEY_CONFIG);
    for length in 0..good.len() {
        assert_eq!(ServiceKey::parse(&good[..length]).unwrap_err(), SealError::Key);
    }
    // HKDF-SHA512 with AEAD 0xffff: no suite that anybody knows.
    let mut unknown = good;
    unknown.truncate(35);
    unknown.extend([0, 4, 0, 3, 0xff, 0xff]);
    assert_eq!(ServiceKey::parse(&unknown).unwrap_err(), SealError::Key);
}

/// What is sealed or shown tells nothing.
mod nobody_reads_it {
    use super::*;

    #[test]
    fn a_second_implementation_opens_what_we_seal_and_we_open_its_reply() {
        let (sealed, opener) = seal(&key(), &request()).unwrap();
        assert!(!sealed.windows(3).any(|w| w == b"Ann"));
        let reader = read(&sealed);
        let message = Message::read_bhttp(&mut Cursor::new(&reader.plain)).unwrap();
        assert_eq!(message.control().method(), Some(&b"POST"[..]));
        assert_eq!(message.control().authority(), Some(&b"forms.example.org"[..]));
        assert_eq!(message.control().path(), Some(&b"/forms?lang=cy"[..]));
        assert_eq!(message.header().get(b"content-type"), Some(&b"text/plain"[..]));
        assert_eq!(message.content(), b"name=Ann");
        // RFC 9292 section 3: 1 = known-length response, status 201 as a two-byte integer, no fields, 2 bytes.
        let reply = opener.open(&reader.seal_reply(&[9; 16], b"\x01\x40\xc9\x00\x02ok")).unwrap();
        assert_eq!((reply.status, reply.body.expose()), (201, &b"ok"[..]));
    }

    #[test]
    fn a_reply_to_another_request_or_an_altered_one_does_not_open() {
        let (mine, opener) = seal(&key(), &request()).unwrap();
        let (other, other_opener) = seal(&key(), &request()).unwrap();
        let reply = read(&mine).seal_reply(&[9; 16], &bytes(REPLY));
        assert_ne!(mine, other);
        assert_eq!(other_opener.open(&reply), Err(SealError::Open));
        let mut altered = reply;
        *altered.last_mut().unwrap() ^= 1;
        assert_eq!(opener.open(&altered), Err(SealError::Open));
        for length in [0, 15, 16, 17, 31] {
            let (_, opener) = seal(&key(), &request()).unwrap();
            assert_eq!(opener.open(&vec![0; length]), Err(SealError::Open));
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_content() {
        let text = format!("{:?}", request());
        assert_eq!(text, "HttpRequest(POST forms.example.org, SecretBytes(8 bytes))");
    }
}
