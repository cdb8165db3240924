// Package modbus is a Modbus RTU and TCP master.
package modbus
