// Package homie makes Homie 4.0.0 and 5.0 of the description of a node: retained topics
// that describe it, and the topics and texts of its values and commands. It publishes
// nothing and knows no broker.
//
// # Nouns
//
// In version 4 the gateway is one Homie device, each device of ours a node of it and each
// channel a property; in version 5 the gateway is the root device, each device of ours a
// child of it with one node.
//
// # What is not done
//
// Colours, json and broadcasts.
package homie
