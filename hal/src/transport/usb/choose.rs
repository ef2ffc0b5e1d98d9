//! Which interface and endpoints of a USB device are the printer's, from its descriptors. Pure.
//!
//! | taken | interface | ends |
//! |---|---|---|
//! | first | class 7, subclass 1, protocol 2 with both bulk endpoints | both ways |
//! | then | class 7, subclass 1, protocol 1; protocol 2 without an IN endpoint | out only |
//! | last | class FFh of a device in [`VENDOR_CLASS`] | both ways, or out only |
//! | never | protocol 3 (IEEE 1284.4 packets), any other class | |
//!
//! Among equals the lowest interface and the lowest alternate setting. Source: USB Device Class Definition
//! for Printing Devices 1.1, chapter 5 (interface and endpoint descriptors).
//!
//! Promises: an endpoint that is taken is bulk, has a packet size and the direction it is used in.
//! Never: takes a number that the descriptors do not give.

/// Printers whose interface is vendor-specific though it carries the same bytes: vendor, product.
///
/// 04b8:0202 is what Epson receipt printers are in their *vendor class* mode; usblp's quirk table has it too.
pub const VENDOR_CLASS: &[(u16, u16)] = &[(0x04B8, 0x0202)];

/// bInterfaceClass and bInterfaceSubClass of printers.
const PRINTER: (u8, u8) = (7, 1);
const VENDOR_SPECIFIC: u8 = 0xFF;
const UNIDIRECTIONAL: u8 = 1;
const BIDIRECTIONAL: u8 = 2;
/// bEndpointAddress: device to host.
const IN: u8 = 0x80;
/// wMaxPacketSize: the bits that are a size.
const PACKET_MASK: u16 = 0x07FF;

/// One endpoint as described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// bEndpointAddress.
    pub address: u8,
    /// Whether bmAttributes says bulk.
    pub bulk: bool,
    /// wMaxPacketSize.
    pub packet: u16,
}

/// One alternate setting of one interface as described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// bInterfaceNumber.
    pub interface: u8,
    /// bAlternateSetting.
    pub alternate: u8,
    /// bInterfaceClass.
    pub class: u8,
    /// bInterfaceSubClass.
    pub subclass: u8,
    /// bInterfaceProtocol.
    pub protocol: u8,
    /// In the order of the descriptors.
    pub endpoints: Vec<Endpoint>,
}

/// A bulk endpoint that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// bEndpointAddress.
    pub address: u8,
    /// Bytes in one packet, never zero.
    pub packet: usize,
}

/// Where to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Which interface to claim.
    pub interface: u8,
    /// Its setting.
    pub alternate: u8,
    /// The interface has other settings too, so this one is to be selected.
    pub select: bool,
    /// Takes what is printed.
    pub out: End,
    /// Gives the answers; a one-way interface has none.
    pub input: Option<End>,
}

/// The printer's ends among all `settings` of a device, if it has any.
#[must_use]
pub fn choose(vendor: u16, product: u16, settings: &[Setting]) -> Option<Ends> {
    let vendor_class = VENDOR_CLASS.contains(&(vendor, product));
    let ranked = settings.iter().filter_map(|setting| {
        let (rank, out, input) = rank(setting, vendor_class)?;
        Some((rank, setting, out, input))
    });
    let (_, setting, out, input) =
        ranked.min_by_key(|(rank, setting, ..)| (*rank, setting.interface, setting.alternate))?;
    let select = settings.iter().filter(|other| other.interface == setting.interface).count() > 1;
    Some(Ends { interface: setting.interface, alternate: setting.alternate, select, out, input })
}

/// How good a setting is, 0 being best, and its ends.
fn rank(setting: &Setting, vendor_class: bool) -> Option<(u8, End, Option<End>)> {
    let out = end(setting, 0)?;
    let input = end(setting, IN);
    match (setting.class, setting.subclass, setting.protocol) {
        (class, subclass, BIDIRECTIONAL) if (class, subclass) == PRINTER => {
            Some((u8::from(input.is_none()), out, input))
        }
        // The class says that this protocol has no way back, whatever endpoints there are.
        (class, subclass, UNIDIRECTIONAL) if (class, subclass) == PRINTER => Some((1, out, None)),
        (VENDOR_SPECIFIC, ..) if vendor_class => Some((2 + u8::from(input.is_none()), out, input)),
        _ => None,
    }
}

/// The first bulk endpoint in `direction` that has a size.
fn end(setting: &Setting, direction: u8) -> Option<End> {
    let fits = |endpoint: &&Endpoint| {
        endpoint.bulk && endpoint.address & IN == direction && endpoint.packet & PACKET_MASK != 0
    };
    let found = setting.endpoints.iter().find(fits)?;
    Some(End { address: found.address, packet: usize::from(found.packet & PACKET_MASK) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLONE: (u16, u16) = (0x0416, 0x5011);
    const EPSON_VENDOR_CLASS: (u16, u16) = (0x04B8, 0x0202);

    fn bulk(address: u8, packet: u16) -> Endpoint {
        Endpoint { address, bulk: true, packet }
    }

    fn setting(at: (u8, u8), class: (u8, u8, u8), endpoints: &[Endpoint]) -> Setting {
        let ((interface, alternate), (class, subclass, protocol)) = (at, class);
        Setting { interface, alternate, class, subclass, protocol, endpoints: endpoints.to_vec() }
    }

    fn choose_of((vendor, product): (u16, u16), settings: &[Setting]) -> Option<Ends> {
        choose(vendor, product, settings)
    }

    #[test]
    fn endpoints_are_the_described_ones_in_any_order() {
        for (out, input) in [(0x01, 0x82), (0x02, 0x81), (0x03, 0x82)] {
            for ends in [[bulk(out, 64), bulk(input, 64)], [bulk(input, 64), bulk(out, 64)]] {
                let ends = choose_of(CLONE, &[setting((0, 0), (7, 1, 2), &ends)]).unwrap();
                assert_eq!((ends.out.address, ends.input.map(|end| end.address)), (out, Some(input)));
                assert!(!ends.select, "one setting needs no selecting");
            }
        }
    }

    #[test]
    fn of_a_composite_device_only_the_printer_is_taken() {
        let storage = setting((0, 0), (8, 6, 80), &[bulk(0x81, 512), bulk(0x02, 512)]);
        let keyboard = setting((1, 0), (3, 1, 1), &[Endpoint { address: 0x83, bulk: false, packet: 8 }]);
        let printer = setting((2, 0), (7, 1, 2), &[bulk(0x04, 512), bulk(0x85, 512)]);
        let ends = choose_of(CLONE, &[storage.clone(), keyboard.clone(), printer]).unwrap();
        assert_eq!((ends.interface, ends.out.address), (2, 0x04));
        assert_eq!(choose_of(CLONE, &[storage, keyboard]), None);
    }

    #[test]
    fn of_alternate_settings_the_one_that_answers_is_selected() {
        let one_way = setting((0, 0), (7, 1, 1), &[bulk(0x01, 64)]);
        let both_ways = setting((0, 1), (7, 1, 2), &[bulk(0x01, 64), bulk(0x82, 64)]);
        let packets = setting((0, 2), (7, 1, 3), &[bulk(0x01, 64), bulk(0x82, 64)]);
        let ends = choose_of(CLONE, &[packets.clone(), one_way.clone(), both_ways]).unwrap();
        assert_eq!((ends.alternate, ends.select, ends.input.is_some()), (1, true, true));
        let ends = choose_of(CLONE, &[packets.clone(), one_way]).unwrap();
        assert_eq!((ends.alternate, ends.select, ends.input), (0, true, None));
        assert_eq!(choose_of(CLONE, &[packets]), None, "1284.4 packets are not ESC/POS");
    }

    #[test]
    fn a_one_way_printer_is_not_read_from() {
        let told = setting((0, 0), (7, 1, 1), &[bulk(0x01, 64), bulk(0x82, 64)]);
        assert_eq!(choose_of(CLONE, &[told]).unwrap().input, None);
        let broken = setting((0, 0), (7, 1, 2), &[bulk(0x01, 64)]);
        let ends = choose_of(CLONE, &[broken]).unwrap();
        assert_eq!(ends.input, None);
    }

    #[test]
    fn vendor_class_only_for_devices_that_are_known() {
        let ends = [bulk(0x01, 64), bulk(0x82, 64)];
        let vendor = setting((0, 0), (0xFF, 0xFF, 0xFF), &ends);
        assert_eq!(choose_of(CLONE, std::slice::from_ref(&vendor)), None);
        assert!(choose_of(EPSON_VENDOR_CLASS, std::slice::from_ref(&vendor)).unwrap().input.is_some());
        let printer = setting((1, 0), (7, 1, 1), &[bulk(0x03, 64)]);
        assert_eq!(choose_of(EPSON_VENDOR_CLASS, &[vendor, printer]).unwrap().interface, 1);
    }

    #[test]
    fn endpoints_of_no_use_are_passed_over() {
        let ends = [
            Endpoint { address: 0x01, bulk: false, packet: 64 },
            bulk(0x02, 0),
            bulk(0x03, 0x0800),
            bulk(0x04, 512),
        ];
        let ends = choose_of(CLONE, &[setting((0, 0), (7, 1, 2), &ends)]).unwrap();
        assert_eq!(ends.out, End { address: 0x04, packet: 512 });
        assert_eq!(choose_of(CLONE, &[setting((0, 0), (7, 1, 2), &[])]), None);
        assert_eq!(choose_of(CLONE, &[]), None);
    }

    fn any_setting() -> impl Strategy<Value = Setting> {
        let class = prop_oneof![Just((7, 1)), Just((0xFF, 0)), (any::<u8>(), any::<u8>())];
        let endpoint = (any::<u8>(), any::<bool>(), any::<u16>());
        let endpoint = endpoint.prop_map(|(address, bulk, packet)| Endpoint { address, bulk, packet });
        (0..3_u8, 0..3_u8, class, 0..5_u8, prop::collection::vec(endpoint, 0..5)).prop_map(
            |(interface, alternate, (class, subclass), protocol, endpoints)| Setting {
                interface,
                alternate,
                class,
                subclass,
                protocol,
                endpoints,
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_is_described_what_is_taken_can_be_used(
            known in any::<bool>(),
            settings in prop::collection::vec(any_setting(), 0..6),
        ) {
            let device = if known { EPSON_VENDOR_CLASS } else { CLONE };
            if let Some(ends) = choose_of(device, &settings) {
                let described = settings.iter().any(|setting| {
                    let has = |end: End| setting.endpoints.iter().any(|endpoint| {
                        endpoint.bulk && endpoint.address == end.address && endpoint.packet != 0
                    });
                    setting.interface == ends.interface
                        && setting.alternate == ends.alternate
                        && (setting.class == 7 || (known && setting.class == 0xFF))
                        && has(ends.out)
                        && ends.input.is_none_or(has)
                });
                prop_assert!(described);
                prop_assert!(ends.out.address < 0x80 && ends.out.packet > 0);
                if let Some(input) = ends.input {
                    prop_assert!(input.address >= 0x80 && input.packet > 0);
                }
            }
        }
    }
}
