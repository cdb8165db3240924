package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"sensorgate/drivers"
	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/meters"
)

// withWire runs f with a bus on the port that the command line names, and closes it.
func withWire(ctx context.Context, port, line string, f func(context.Context, *serial.Bus) error) error {
	var l serial.Line
	if line != "" {
		if err := l.UnmarshalText([]byte(line)); err != nil {
			return usageError{fmt.Errorf("--line: %w", err)}
		}
	}
	o, err := serial.ParsePort(port, l)
	if err != nil {
		return usageError{err}
	}
	return runWire(ctx, serial.NewBus(port, o, slog.New(slog.DiscardHandler)), f)
}

// runWire runs f while b runs. Being asked to stop is no error.
func runWire(ctx context.Context, b *serial.Bus, f func(context.Context, *serial.Bus) error) error {
	busCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var ended sync.WaitGroup
	ended.Go(func() { b.Run(busCtx) })
	err := f(ctx, b)
	stop()
	ended.Wait()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// driverOn is the driver of that name with b as its only bus.
func driverOn(b *serial.Bus, name string) (drivers.Driver, error) {
	buses := serial.Only(b)
	log := slog.New(slog.DiscardHandler)
	var reg drivers.Registry
	reg.Add(framing.Drivers(buses, log)...)
	reg.Add(meters.Drivers(buses, log)...)
	reg.Add(modbus.Drivers(buses, log)...)
	return reg.Lookup(name)
}
