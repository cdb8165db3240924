// Package discovery keeps retained descriptions on a broker exactly as a configuration
// wants them: what a convention such as Home Assistant's or Homie's publishes, and what it
// has left behind from earlier configurations.
//
// # Nouns
//
// A Document is one retained message that describes something. A Ledger is the list of
// those that may be on one broker (this process's own, or an upstream's): it is written
// before the first of them is published, and an entry leaves it only when the broker has
// taken the removal. A Target is a broker with its ledger, and Bring makes it so.
//
// # Who runs what
//
// Nothing here has a goroutine. The gateway calls Bring for each broker, again after each
// reload and each reconnect; it publishes everything each time, because who has what a
// broker lost meanwhile cannot be known.
//
// # What survives
//
// The ledger, in the journal: over kill -9 between a reload and its clean-up, over a week
// without the upstream, and over a restart with another configuration.
//
// # If somebody is slow
//
// Bring waits for the broker until its context ends; what is not done then is done by the
// next call, which begins from the ledger.
//
// # What is not done
//
// Nothing is read from an upstream: what another program or an earlier store has left
// there is listed and removed by `sensorgate discovery`, by hand.
package discovery
