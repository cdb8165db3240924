// Package gpio reads contacts and meters and drives relays on the lines of the
// GPIO character device (/dev/gpiochipN, uAPI v2, kernel 5.10 and later).
//
// Nouns: a chip has lines; a Ref is how the user names one: GPIO17 (its name),
// gpiochip0:17 (its place), P1_11 (the pin on a header). An Event is one edge, with
// the kernel's time and sequence number. A Kernel is what the package needs of the
// operating system; package gpiotest has one with the same rules for tests.
//
// The drivers: input (a contact), pulse (a meter's total), frequency, output (a
// relay or valve), pwm. They open their line when the Runner opens the device and
// release it on Close. None starts a goroutine: a device without edges costs no
// CPU but for a look at its level every ten seconds, which finds a chip that went
// away and an edge that the kernel did not report.
//
// What survives a power cut: the pulse total and, with start = "last", an output's
// state, in DeviceConfig.Store, each within the store's commit window.
//
// Why not a library: periph's gpioioctl turns an output into an input on a read and
// drops edges without a word; go-gpiocdev never passes its event buffer size on.
//
// Not done: outputs that must move together (one request with many lines),
// quadrature encoders, and bit-banged protocols, for which the kernel has drivers.
package gpio
