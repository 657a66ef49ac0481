//! How rings inherit their settings from `common.ring`, `memberlist` or the ingester's ring.

use super::{Host, Rules};
use crate::value::Value;

/// Settings of a ring that can be handed on, and their names in a ring and in a lifecycler.
const HANDED_ON: [(&str, &str); 11] = [
    ("kvstore", "ring.kvstore"),
    ("heartbeat_period", "heartbeat_period"),
    ("heartbeat_timeout", "ring.heartbeat_timeout"),
    ("tokens_file_path", "tokens_file_path"),
    ("zone_awareness_enabled", "ring.zone_awareness_enabled"),
    ("instance_id", "id"),
    ("instance_interface_names", "interface_names"),
    ("instance_port", "port"),
    ("instance_addr", "address"),
    ("instance_availability_zone", "availability_zone"),
    ("instance_enable_ipv6", "enable_inet6"),
];

/// Rings that never take the zone settings.
const WITHOUT_ZONE: [&str; 2] = ["distributor.ring", "ruler.ring"];
const WITH_ZONE: [&str; 4] =
    ["query_scheduler.scheduler_ring", "compactor.compactor_ring", "index_gateway.ring", "ui.ring"];

/// The block settings come from.
#[derive(Clone, Copy, PartialEq)]
enum Giver {
    Common,
    Ingester,
}

impl Giver {
    fn path(self, ring_name: &str, lifecycler_name: &str) -> String {
        match self {
            Giver::Common => format!("common.ring.{ring_name}"),
            Giver::Ingester => format!("ingester.lifecycler.{lifecycler_name}"),
        }
    }
}

impl Rules<'_> {
    pub(super) fn rings(&mut self) {
        if !self.is_default("common.ring") {
            self.hand_on(Giver::Common);
        } else if !self.values.strs("memberlist.join_members").is_empty() {
            for ring in WITHOUT_ZONE.into_iter().chain(WITH_ZONE) {
                self.put_text(&format!("{ring}.kvstore.store"), "memberlist");
            }
            for owner in ["ingester", "ingest_limits", "ingest_limits_frontend", "pattern_ingester", "dataobj.consumer"]
            {
                self.put_text(&format!("{owner}.lifecycler.ring.kvstore.store"), "memberlist");
            }
        } else {
            self.hand_on(Giver::Ingester);
        }
    }

    /// Gives settings to every ring; the ingester's only to rings that are still as they were.
    fn hand_on(&mut self, giver: Giver) {
        let common = giver == Giver::Common;
        if common {
            self.give_to_lifecycler(giver, "ingester.lifecycler");
            self.copy("common.ring.kvstore", "ingester.kafka_ingestion.partition_ring.kvstore");
            self.give_to_lifecycler(giver, "pattern_ingester.lifecycler");
        }
        for owner in ["ingest_limits", "ingest_limits_frontend"] {
            if common || self.is_default(&format!("{owner}.lifecycler.ring")) {
                self.give_to_lifecycler(giver, &format!("{owner}.lifecycler"));
            }
        }
        for ring in WITHOUT_ZONE.into_iter().chain(WITH_ZONE) {
            if common || self.is_default(ring) {
                self.give_to_ring(giver, ring, WITH_ZONE.contains(&ring));
            }
        }
        if common || self.is_default("dataobj.consumer.lifecycler.ring") {
            self.give_to_lifecycler(giver, "dataobj.consumer.lifecycler");
            self.copy(&giver.path("kvstore", "ring.kvstore"), "dataobj.consumer.partition_ring.kvstore");
        }
    }

    fn give_to_lifecycler(&mut self, giver: Giver, lifecycler: &str) {
        for (ring_name, name) in HANDED_ON {
            self.copy(&giver.path(ring_name, name), &format!("{lifecycler}.{name}"));
        }
        if giver == Giver::Common {
            self.put(&format!("{lifecycler}.observe_period"), Value::Duration(0));
        } else {
            self.copy("ingester.lifecycler.observe_period", &format!("{lifecycler}.observe_period"));
        }
    }

    fn give_to_ring(&mut self, giver: Giver, ring: &str, with_zone: bool) {
        for (name, lifecycler_name) in HANDED_ON {
            let of_zone = matches!(name, "instance_availability_zone" | "zone_awareness_enabled");
            if name != "tokens_file_path" && (with_zone || !of_zone) {
                self.copy(&giver.path(name, lifecycler_name), &format!("{ring}.{name}"));
            }
        }
    }

    /// Adds the loopback interface to lists of interfaces left at their default.
    pub(super) fn loopback(&mut self, host: &Host) {
        let Some(loopback) = &host.loopback_interface else { return };
        for path in [
            "ingester.lifecycler.interface_names",
            "ingest_limits.lifecycler.interface_names",
            "ingest_limits_frontend.lifecycler.interface_names",
            "pattern_ingester.lifecycler.interface_names",
            "frontend.instance_interface_names",
            "distributor.ring.instance_interface_names",
            "common.ring.instance_interface_names",
            "compactor.compactor_ring.instance_interface_names",
            "query_scheduler.scheduler_ring.instance_interface_names",
            "ruler.ring.instance_interface_names",
            "index_gateway.ring.instance_interface_names",
            "dataobj.consumer.lifecycler.interface_names",
            "query_engine.instance_interface_names",
        ] {
            if self.is_default(path) {
                let mut names = self.values.strs(path).to_vec();
                names.push(loopback.clone());
                self.put(path, Value::Texts(names));
            }
        }
    }
}
