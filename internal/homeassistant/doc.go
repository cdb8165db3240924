// Package homeassistant makes Home Assistant's MQTT discovery of the description of a node:
// one document per device, or one per entity for versions before 2024.11. It publishes
// nothing and knows no broker; package discovery keeps the documents where they belong.
//
// # Nouns
//
// An entity is what Home Assistant shows: one channel of a device, or something that the
// gateway reports of itself. A component is the kind of an entity (sensor, switch), a class
// what it measures (its device_class). A key is one member of an entity's configuration.
//
// # What is binding
//
// The developers' documentation of 2026-08 and the schemas of the mqtt integration of the
// same age. Home Assistant drops unknown keys without a word and refuses an entity whose
// unit does not belong to its class, so facts.go has both, and Check refuses what would be
// refused there.
//
// # What is not done
//
// Covers, climates, lights and other components whose state is more than one value; history
// of the past (the messages carry no time stamp); pictures.
package homeassistant
