package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	fields "sensorgate/drivers/field"
	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
)

// modbusFlags are what read and write share.
type modbusFlags struct {
	unit       uint8
	line       string
	timeout    time.Duration
	typ, order string
	multiple   bool
}

func newModbus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "modbus",
		Short: "read and write registers of a Modbus device by hand",
	}
	cmd.AddCommand(newModbusRead(), newModbusWrite())
	return cmd
}

func (f *modbusFlags) add(cmd *cobra.Command) {
	cmd.Flags().Uint8Var(&f.unit, "unit", 1, "unit number")
	cmd.Flags().StringVar(&f.line, "line", "9600 8N1", "speed and frame, e.g. 9600 8N1")
	cmd.Flags().DurationVar(&f.timeout, "timeout", time.Second, "how long to wait for an answer")
	cmd.Flags().StringVar(&f.typ, "type", "", "u16, s16, u32, s32, f32 …")
	cmd.Flags().StringVar(&f.order, "order", "big", "order of the bytes in a value: ABCD (big), CDAB, BADC or DCBA")
}

// layout reads --type and --order.
func (f *modbusFlags) layout() (l fields.Layout, err error) {
	if f.typ != "" {
		if err := l.Type.UnmarshalText([]byte(f.typ)); err != nil {
			return l, fmt.Errorf("--type: %w", err)
		}
	}
	if err := l.Order.UnmarshalText([]byte(f.order)); err != nil {
		return l, fmt.Errorf("--order: %w", err)
	}
	if l.Type.IsText() {
		return l, fmt.Errorf("--type: a text has no fixed length; read its registers without a type")
	}
	return l, nil
}

// with runs g with a client for the device: tcp://host:port is Modbus TCP.
func (f *modbusFlags) with(ctx context.Context, target string, g func(context.Context, *modbus.Client) error) error {
	if strings.HasPrefix(target, "tcp://") {
		b := serial.NewBus(target, serial.PortOptions{TCP: tcpAddress(target)}, slog.New(slog.DiscardHandler))
		return runWire(ctx, b, func(ctx context.Context, b *serial.Bus) error {
			return g(ctx, modbus.NewClient(b, f.unit, f.timeout, true))
		})
	}
	return withWire(ctx, target, f.line, func(ctx context.Context, b *serial.Bus) error {
		return g(ctx, modbus.NewClient(b, f.unit, f.timeout, false))
	})
}

// tcpAddress is the host and port of tcp://HOST[:PORT].
func tcpAddress(target string) string {
	addr := strings.TrimPrefix(target, "tcp://")
	if !strings.Contains(addr, ":") {
		addr += ":502"
	}
	return addr
}

func newModbusRead() *cobra.Command {
	var f modbusFlags
	cmd := &cobra.Command{
		Use:   "read PORT TABLE ADDRESS [COUNT]",
		Short: "read registers: TABLE is input, holding, coil or discrete; addresses count from 0",
		Example: "  sensorgate modbus read /dev/ttyUSB0 input 0x0000 --type f32\n" +
			"  sensorgate modbus read tcp://10.0.0.5 holding 40000 10",
		Args: cobra.RangeArgs(3, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := modbus.ParseTable(args[1])
			if err != nil {
				return usageError{err}
			}
			l, err := f.layout()
			if err != nil {
				return usageError{err}
			}
			addr, err := number(args[2], 0, 0xFFFF)
			if err != nil {
				return usageError{fmt.Errorf("ADDRESS: %w", err)}
			}
			each, n := 1, 1
			if t.Registers() && f.typ != "" {
				each = (l.Size() + 1) / 2
			}
			if len(args) == 4 {
				if n, err = number(args[3], 1, t.MaxRead()/each); err != nil {
					return usageError{fmt.Errorf("COUNT: %w", err)}
				}
			}
			return f.with(cmd.Context(), args[0], func(ctx context.Context, c *modbus.Client) error {
				data, err := c.Read(ctx, t, addr, n*each)
				if err != nil {
					return err
				}
				if !t.Registers() {
					return printBits(cmd.OutOrStdout(), t, addr, n, data)
				}
				return printRegisters(cmd.OutOrStdout(), t, addr, data, l, each, f.typ != "")
			})
		},
	}
	f.add(cmd)
	return cmd
}

func printBits(w io.Writer, t modbus.Table, addr, n int, data []byte) error {
	for i := range n {
		if _, err := fmt.Fprintf(w, "%s %d  %d\n", t, addr+i, data[i/8]>>(i%8)&1); err != nil {
			return err
		}
	}
	return nil
}

// printRegisters shows values of one type or, without one, each register in all ways.
func printRegisters(w io.Writer, t modbus.Table, addr int, data []byte, l fields.Layout, each int, typed bool) error {
	for at := 0; at < len(data); at += 2 * each {
		p := data[at : at+2*each]
		where := fmt.Sprintf("%s %d (0x%04X)", t, addr+at/2, addr+at/2)
		if typed {
			v, err := l.Decode(p[len(p)-l.Size():])
			text := v.String()
			if err != nil {
				text = err.Error()
			}
			fmt.Fprintf(w, "%s  % X  %s\n", where, p, text)
			continue
		}
		n := uint16(p[0])<<8 | uint16(p[1])
		if _, err := fmt.Fprintf(w, "%s  %04X  %d  %d\n", where, n, n, int16(n)); err != nil {
			return err
		}
	}
	return nil
}

func newModbusWrite() *cobra.Command {
	var f modbusFlags
	cmd := &cobra.Command{
		Use:   "write PORT TABLE ADDRESS VALUE",
		Short: "write one value and read it back: TABLE is holding or coil",
		Example: "  sensorgate modbus write /dev/ttyUSB0 coil 0 on\n" +
			"  sensorgate modbus write /dev/ttyUSB0 holding 0x0014 --type f32 2 # Eastron: unit number",
		Args: cobra.ExactArgs(4),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := modbus.ParseTable(args[1])
			if err != nil {
				return usageError{err}
			}
			l, err := f.layout()
			if err != nil {
				return usageError{err}
			}
			if !t.Registers() {
				l = fields.Layout{}
			}
			addr, err := number(args[2], 0, 0xFFFF)
			if err != nil {
				return usageError{fmt.Errorf("ADDRESS: %w", err)}
			}
			return f.with(cmd.Context(), args[0], func(ctx context.Context, c *modbus.Client) error {
				if err := c.Write(ctx, t, addr, l, args[3], f.multiple); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %d is %s\n", t, addr, args[3])
				return err
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.multiple, "multiple", false, "write with FC 16 or 15 where FC 6 or 5 would do")
	return cmd
}

// number reads a decimal or 0x number within limits.
func number(s string, low, high int) (int, error) {
	n, err := strconv.ParseInt(s, 0, 32)
	if err != nil || int(n) < low || int(n) > high {
		return 0, fmt.Errorf("found %q, expected %d to %d", s, low, high)
	}
	return int(n), nil
}
