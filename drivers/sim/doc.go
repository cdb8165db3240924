// Package sim makes devices up, so that everything runs on a laptop: the demo,
// end-to-end tests, and a new user's first configuration.
//
// A device is polled like a real one. Its channels have a shape: sine, walk,
// counter and switch move by themselves; output and setpoint execute commands. It can
// be made to fail, to hang or to be unplugged now and then, on purpose, so that
// what the rest of the gateway does about it can be seen.
//
// Nothing survives a restart, but for the same seed the walk is the same.
package sim
