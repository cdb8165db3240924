package modbus

import (
	"fmt"
	"net"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

// Options of one unit.
type Options struct {
	serial.Wire
	TCP      string        `toml:"tcp" example:"\"192.0.2.10:502\"" doc:"The host:port of a Modbus TCP device or gateway; instead of bus and serial."`
	Unit     uint8         `toml:"unit" example:"1" doc:"The unit number (address), 1 to 247; many TCP devices accept any."`
	Timeout  time.Duration `toml:"timeout" doc:"How long the device may take to begin its answer."`
	Pause    time.Duration `toml:"pause" doc:"How long the wire is silent before a request, for a device that needs more than the standard asks for."`
	Order    field.Order   `toml:"order" example:"\"CDAB\"" doc:"The order in which the bytes of numbers come: ABCD, CDAB, BADC or DCBA; the order of a channel counts more."`
	Settle   time.Duration `toml:"settle" doc:"How long nothing is sent after a connection was made or a port opened, for a device that needs it."`
	Gap      *int          `toml:"gap" example:"8" doc:"How many registers that no channel needs are read along to save a request; default: 8."`
	Missing  bool          `toml:"missing" doc:"The highest unsigned and the lowest signed number mean that there is no value, as in SunSpec."`
	Identity *Identity     `toml:"identify" example:"{ holding = 0, type = \"u16\", is = [\"1201\"] }" doc:"A register by which the device is known; another device than the model is for is refused."`
	MaxRead  int           `toml:"max_read" example:"50" doc:"How many registers one request may ask for; default: 125, the limit of the protocol."`
}

const (
	defaultTimeout = 500 * time.Millisecond
	defaultGap     = 8
)

func newOptions() any { return &Options{Unit: 1, Timeout: defaultTimeout} }

// Check is called when the file is read.
func (o *Options) Check() error {
	if o.TCP == "" {
		if err := o.Wire.Check(); err != nil {
			return err
		}
	} else {
		if o.Bus != "" || o.Serial != nil {
			return &drivers.KeyError{Key: "tcp", Problem: "found tcp and bus or serial", Expected: "exactly one of them"}
		}
		if _, _, err := net.SplitHostPort(o.TCP); err != nil {
			return &drivers.KeyError{Key: "tcp", Problem: fmt.Sprintf("found %q, expected host:port", o.TCP), Try: fmt.Sprintf("tcp = %q", o.TCP+":502")}
		}
		if !o.Line.IsZero() {
			return &drivers.KeyError{Key: "line", Problem: "a TCP connection has no speed"}
		}
	}
	if o.Identity != nil {
		if err := drivers.Nested("identify", o.Identity.Check()); err != nil {
			return err
		}
	}
	switch {
	case o.TCP == "" && (o.Unit == 0 || o.Unit > 247):
		return &drivers.KeyError{Key: "unit", Problem: fmt.Sprintf("found %d, expected 1 to 247", o.Unit)}
	case o.Timeout <= 0 || o.Timeout > 30*time.Second:
		return &drivers.KeyError{Key: "timeout", Problem: fmt.Sprintf("found %v, expected above 0s, up to 30s", o.Timeout)}
	case o.Pause < 0 || o.Pause > 10*time.Second:
		return &drivers.KeyError{Key: "pause", Problem: fmt.Sprintf("found %v, expected 0s to 10s", o.Pause)}
	case o.Settle < 0 || o.Settle > time.Minute:
		return &drivers.KeyError{Key: "settle", Problem: fmt.Sprintf("found %v, expected 0s to 1m", o.Settle)}
	case o.MaxRead < 0 || o.MaxRead > maxReadRegisters:
		return &drivers.KeyError{Key: "max_read", Problem: fmt.Sprintf("found %d, expected 1 to %d", o.MaxRead, maxReadRegisters)}
	case o.Gap != nil && (*o.Gap < 0 || *o.Gap > maxReadRegisters):
		return &drivers.KeyError{Key: "gap", Problem: fmt.Sprintf("found %d, expected 0 to %d", *o.Gap, maxReadRegisters)}
	}
	return nil
}

// Claims names the wire. A TCP connection is shared by the units behind it.
func (o *Options) Claims() []drivers.Claim {
	if o.TCP != "" {
		return []drivers.Claim{{Kind: "tcp", ID: o.TCP, Key: "tcp", Shared: true}}
	}
	return o.Wire.Claims()
}

// Channel is one value in a table of the device.
type Channel struct {
	Input    *int `choice:"register" toml:"input" example:"52" doc:"The address of an input register, counted from 0."`
	Holding  *int `choice:"register" toml:"holding" example:"100" doc:"The address of a holding register, counted from 0."`
	Coil     *int `choice:"register" toml:"coil" example:"16" doc:"The address of a coil, counted from 0."`
	Discrete *int `choice:"register" toml:"discrete" example:"0" doc:"The address of a discrete input, counted from 0."`

	SunSpec string `choice:"register" toml:"sunspec" example:"\"103,102,101\"" doc:"Numbers of SunSpec models, of which the first that the device has is read: \"103,102,101\"; needs at."`
	At      *int   `toml:"at" example:"14" doc:"The register in the SunSpec model, counted from the id of the model."`

	field.Layout
	SF *int `toml:"sf" example:"86" doc:"The register with the power of ten to multiply by (SunSpec scale factor): its address, or its place in the model."`

	Plus  []int `toml:"plus" example:"[56]" doc:"Addresses of further numbers of the same type that are added, or their places in the model."`
	Minus []int `toml:"minus" example:"[58]" doc:"Addresses of further numbers of the same type that are subtracted, or their places in the model."`

	Times float64 `toml:"times" example:"1000" doc:"By how much the numbers of plus and minus are multiplied before: 1000 for a register with MWh beside one with kWh; default: 1."`

	Sign     *int  `toml:"sign" example:"90" doc:"A register that says whether the number is negative: its address, or its place in the model."`
	Negative []int `toml:"negative" example:"[1]" doc:"What sign reads where the number is negative; default: 1."`

	Only *Identity `toml:"only" example:"{ holding = 0, type = \"u16\", is = [\"3\"] }" doc:"A register by which it is known whether the device has this channel: { holding = 0, type = \"u16\", is = [\"3\"] }."`

	Write    bool  `toml:"write" doc:"The channel takes commands; possible for holding and coil."`
	Multiple bool  `toml:"multiple" doc:"Commands are written with function code 16 or 15 where 6 or 5 would do."`
	ReadBack *bool `toml:"readback" doc:"A command is done when the value can be read back; default: true."`
	Wears    bool  `toml:"wears" doc:"The device keeps the value in memory that wears out: a value that is there already is not written again, and at most one a minute is."`
	Exact    bool  `toml:"exact" doc:"The address really is above 30000 or 40000 on the wire; it is not the number in a document."`
}

// Check is called when the file is read.
func (c *Channel) Check() error {
	given := map[string]*int{"input": c.Input, "holding": c.Holding, "coil": c.Coil, "discrete": c.Discrete}
	var keys []string
	for _, key := range []string{"input", "holding", "coil", "discrete"} {
		if at := given[key]; at != nil {
			keys = append(keys, key)
			if err := checkAddress(key, *at, c.Exact); err != nil {
				return err
			}
		}
	}
	if c.SunSpec != "" {
		keys = append(keys, "sunspec")
	}
	if len(keys) != 1 {
		return &drivers.KeyError{Key: "holding", Problem: fmt.Sprintf("found %s", orNone(keys)),
			Expected: "exactly one of input, holding, coil, discrete, sunspec"}
	}
	if err := c.checkKind(); err != nil {
		return err
	}
	for key, list := range map[string][]int{"plus": c.Plus, "minus": c.Minus} {
		for _, at := range list {
			if err := checkAddress(key, at, true); err != nil {
				return err
			}
		}
	}
	if c.Only != nil {
		if err := drivers.Nested("only", c.Only.checkCondition()); err != nil {
			return err
		}
	}
	if err := c.Layout.Check(); err != nil {
		return err
	}
	if c.registers() && c.Size()%2 != 0 && !c.oneByte() {
		return &drivers.KeyError{Key: "type", Problem: fmt.Sprintf("found %s, which is not a whole number of registers", c.Type), Expected: "16, 32, 48 or 64 bits"}
	}
	return nil
}

func (c *Channel) checkKind() error {
	switch {
	case !c.registers() && (c.Type.Known() || c.SF != nil || c.Bit != nil || c.Bits != nil):
		return &drivers.KeyError{Key: "type", Problem: "a coil or discrete input is one bit: it has no type, bits or scale"}
	case c.sums() && (!c.registers() || c.Type.IsText() || c.Type.IsBool() || c.Bit != nil || c.Bits != nil || c.Map != nil || c.Write):
		return &drivers.KeyError{Key: "plus", Problem: "only numbers in registers that are read can be added up"}
	case c.Write && c.Holding == nil && c.Coil == nil:
		return &drivers.KeyError{Key: "write", Problem: "only holding registers and coils can be written"}
	case c.Write && (c.Bit != nil || c.Bits != nil || c.SF != nil || c.Sign != nil):
		return &drivers.KeyError{Key: "write", Problem: "a part of a register, or one with sf or sign, cannot be written"}
	case (c.Wears || c.Multiple || c.ReadBack != nil) && c.Holding == nil && c.Coil == nil:
		return &drivers.KeyError{Key: "write", Problem: "found wears, multiple or readback, and only holding registers and coils are written"}
	case c.Sign != nil && (!c.registers() || c.Type.IsText() || c.Type.IsBool() || c.Bit != nil || c.Bits != nil || c.Map != nil):
		return &drivers.KeyError{Key: "sign", Problem: "only numbers in registers have one"}
	case c.Times != 0 && !c.sums():
		return &drivers.KeyError{Key: "times", Problem: "found it without plus or minus"}
	case c.Sign == nil && c.Negative != nil:
		return &drivers.KeyError{Key: "negative", Problem: "found it without sign"}
	case c.SunSpec != "" && c.At == nil:
		return &drivers.KeyError{Key: "at", Problem: "sunspec needs the register in the model"}
	case c.SunSpec == "" && c.At != nil:
		return &drivers.KeyError{Key: "at", Problem: "only sunspec has it"}
	case c.SunSpec != "":
		if _, err := parseModels(c.SunSpec); err != nil {
			return &drivers.KeyError{Key: "sunspec", Problem: err.Error(), Try: `sunspec = "103"`}
		}
	}
	return nil
}

// checkAddress refuses what a document calls 40001: on the wire that is holding 0.
func checkAddress(key string, at int, exact bool) error {
	documented := map[string]int{"input": 30001, "holding": 40001, "discrete": 10001}[key]
	switch {
	case at < 0 || at > 0xFFFF:
		e := &drivers.KeyError{Key: key, Problem: fmt.Sprintf("found %d, expected 0 to 65535", at)}
		if n := at % 100000; at >= 100000 && at < 500000 && n > 0 {
			e.Try = fmt.Sprintf("%s = %d (%d is a document's number; the wire counts from 0)", key, n-1, at)
		}
		return e
	case !exact && documented > 0 && at >= documented && at < documented+9999:
		return &drivers.KeyError{Key: key, Problem: fmt.Sprintf("found %d, which looks like a document's number", at),
			Try: fmt.Sprintf("%s = %d; or exact = true if it really is the address on the wire", key, at-documented)}
	}
	return nil
}

// Outputs reports whether the channel can be commanded.
func (c *Channel) Outputs() []drivers.Channel {
	out := drivers.Channel{Writable: c.Write}
	switch {
	case c.Map != nil:
		out.Kind, out.Values = drivers.State, c.Names()
	case !c.registers() || c.Bit != nil:
		out.Kind, out.Values = drivers.State, drivers.Booleans()
	case c.Type.IsText():
		out.Text = true
	case c.Min != nil && c.Max != nil:
		out.Min, out.Max, out.HasRange = *c.Min, *c.Max, true
	}
	return []drivers.Channel{out}
}

func (c *Channel) sums() bool { return len(c.Plus)+len(c.Minus) > 0 }

func (c *Channel) registers() bool { return c.Coil == nil && c.Discrete == nil }

// oneByte: a bool, or an 8-bit number in the low half of a register.
func (c *Channel) oneByte() bool { return c.Size() == 1 }

// place is where the channel is; for SunSpec, where in its model.
func (c *Channel) place() (Table, int) {
	switch {
	case c.SunSpec != "":
		return Holding, *c.At
	case c.Input != nil:
		return Input, *c.Input
	case c.Holding != nil:
		return Holding, *c.Holding
	case c.Coil != nil:
		return Coils, *c.Coil
	default:
		return Discrete, *c.Discrete
	}
}

// width is how many registers or bits it takes.
func (c *Channel) width() int {
	if !c.registers() {
		return 1
	}
	return (c.Size() + 1) / 2
}

func orNone(keys []string) string {
	if len(keys) == 0 {
		return "none"
	}
	return strings.Join(keys, " and ")
}
