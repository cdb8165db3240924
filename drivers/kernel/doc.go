// Package kernel reads what the Linux kernel already drives, from sysfs: IIO devices,
// hwmon chips and 1-Wire probes. That covers some 200 chips, without root and without
// timing problems, among them those that a program cannot time: DHT22, HX711.
//
// Devices are found by name and not by number, which may change at every start; one that
// disappears and comes back under another number is found again.
package kernel
