// Package i2cmodel has register-level models of I2C chips, for the exam in package
// driverstest. A model answers bytes with bytes: it knows nothing of the driver that
// talks to it, keeps the data sheet's reset values and conversion times, and loses its
// settings at PowerOn.
package i2cmodel
