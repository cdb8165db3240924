// Package attack holds no code, only the test that attacks a real gateway: `make attack`.
//
// Each row of the table is an attacker in a process of its own, at nice 19, against a
// fresh gateway that is the built program, with GOMEMLIMIT as the unit sets it, in a
// memory cgroup of the unit's MemoryMax where that can be made. Beside it an honest
// client sends itself a message every 50 ms. What is reported: the peak of the resident
// memory, that client's 99th percentile and worst latency, the longest turn of the event
// loop by the gateway's own clock, and whether the gateway was killed.
//
// The rows http-… attack the page and the API. Beside them an honest person looks at the
// page from an address of their own, and what the attacker should not have got is a fault:
// an answer to a stranger, to a foreign name, a file of the machine, a header that never
// ends.
//
// make attack judges times; attack-check, which runs beside everything else on any
// machine, judges memory, whether everybody was served, and what the attacker got.
//
// All of it is on loopback, on ports of its own, bounded in count and in time.
package attack
