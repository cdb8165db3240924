// Package soak damages good frames at random, by the hundred thousand in make check and
// by the ten million in make soak, and lets them go the way that a driver's bytes go:
// framer, decoder, mapper.
//
// What must hold: nothing panics, and no value comes out of a frame that fails the
// protocol's own check, which the test writes down a second time so that a fault in the
// driver's check is seen. For a protocol without a check, a value must be in the plausible
// range. What is reported: how many damaged frames passed the check and changed a value,
// which is what the protocol's check sum is worth and no driver can better.
//
// The number of mutations is in the environment variable SOAK; without it, 100,000, or
// 5,000 with -short or the race detector. A long run can be made in slices: SOAK_FROM is the
// first seed. A failure names its seed and prints the bytes.
package soak
