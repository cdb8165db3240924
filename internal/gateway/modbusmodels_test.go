package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
)

// registers are what a device has: a table ("holding" or "input") and an address, with
// the bytes from there on as hexadecimal digits.
type registers map[string]map[int]string

// bytes lays the registers out, two bytes each.
func (r registers) bytes(t *testing.T, table string) map[int][2]byte {
	t.Helper()
	out := map[int][2]byte{}
	for at, digits := range r[table] {
		var p []byte
		if _, err := fmt.Sscanf(strings.ReplaceAll(digits, " ", ""), "%x", &p); err != nil || len(p)%2 != 0 {
			t.Fatalf("%s %d: %q: %v", table, at, digits, err)
		}
		for i := 0; i < len(p); i += 2 {
			out[at+i/2] = [2]byte{p[i], p[i+1]}
		}
	}
	return out
}

// modbusDevice answers FC 1 to 4 on a loopback port; registers that it does not have it
// refuses, and of its bits every third is set.
// holes: registers between those that it has read as 0, as with most makers.
func modbusDevice(t *testing.T, r registers, holes bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	tables := map[byte]map[int][2]byte{3: r.bytes(t, "holding"), 4: r.bytes(t, "input")}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveRegisters(c, tables, holes)
		}
	}()
	return l.Addr().String()
}

func serveRegisters(c net.Conn, tables map[byte]map[int][2]byte, holes bool) {
	defer c.Close()
	for {
		head := make([]byte, 12) // MBAP header and a read request
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		function, at, n := head[7], int(binary.BigEndian.Uint16(head[8:])), int(binary.BigEndian.Uint16(head[10:]))
		pdu := []byte{function, byte(2 * n)}
		has := 0
		for i := range n {
			v, ok := tables[function][at+i]
			if ok {
				has++
			}
			pdu = append(pdu, v[:]...)
		}
		switch {
		case function == 1 || function == 2: // every third bit is set
			pdu = append([]byte{function, byte((n + 7) / 8)}, make([]byte, (n+7)/8)...)
			for i := range n {
				if (at+i)%3 == 0 {
					pdu[2+i/8] |= 1 << (i % 8)
				}
			}
		case has == 0 || has < n && !holes:
			pdu = []byte{function | 0x80, 2}
		}
		answer := binary.BigEndian.AppendUint16(head[:4:4], uint16(len(pdu)+1))
		if _, err := c.Write(append(append(answer, head[6]), pdu...)); err != nil {
			return
		}
	}
}

// readModel runs a model's device over Modbus TCP until it was quiet for a moment, and
// returns the values and the faults by channel.
func readModel(t *testing.T, cat config.Catalogue, model, addr string) (values, faults map[string]string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	text := fmt.Sprintf("node = \"n\"\n[device.x]\nmodel = %q\ntcp = %q\ntimeout = \"2s\"\n", model, addr)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load(file, cat)
	if cfg == nil || len(cfg.Devices) != 1 {
		t.Fatalf("model %s over TCP: %v", model, problems)
	}
	dev := cfg.Devices[0]
	opened, err := dev.Driver.Open(t.Context(), dev.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.(io.Closer).Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	values, faults = map[string]string{}, map[string]string{}
	quiet, note := time.AfterFunc(5*time.Second, cancel), noteIn(values, faults)
	opened.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) {
		quiet.Reset(300 * time.Millisecond)
		note(r, err)
	})
	return values, faults
}

// noteIn keeps the values of readings, and the faults of channels; "" is the whole device.
func noteIn(values, faults map[string]string) drivers.Report {
	return func(r drivers.Reading, err error) {
		var fault *drivers.ChannelError
		switch {
		case err == nil:
			values[r.Channel] = strings.TrimSpace(r.Value.String() + " " + r.Unit)
		case errors.As(err, &fault):
			faults[fault.Channel] = err.Error()
		default:
			faults[""] = err.Error()
		}
	}
}

// hexText is a text as registers have it.
func hexText(s string) string { return fmt.Sprintf("%x", s) }

// f32 is a float as registers have it.
func f32(v float64) string { return fmt.Sprintf("%08x", math.Float32bits(float32(v))) }

// sunspecMap is a map at 40000 with one model after the common one; put sets registers of
// that model, counted from its number.
func sunspecMap(model, length int, put map[int]string) registers {
	h := map[int]string{40000: "53756e53", 40002: "0001 0042", 40004: strings.Repeat("0000", 66)}
	const m = 40070
	h[m] = fmt.Sprintf("%04x %04x", model, length)
	for i := 2; i < length+2; i++ {
		h[m+i] = "ffff"
	}
	for at, digits := range put {
		delete(h, m+at)
		for i := 1; i < len(strings.ReplaceAll(digits, " ", ""))/4; i++ {
			delete(h, m+at+i)
		}
		h[m+at] = digits
	}
	h[m+length+2] = "ffff 0000"
	return registers{"holding": h}
}

// Registers as the devices have them, and the values that a user must see. "-" is no
// value; names are those of the defects that the models had.
func TestModbusModelsReadTheRightValues(t *testing.T) {
	for _, c := range []struct {
		name, model string
		registers   registers
		want        string
	}{
		{"totals of a DTSU666 are at 0x101E, not 0x401E", "chint/dtsu666",
			registers{"holding": {0x101E: f32(1234.5), 0x1028: f32(6.25), 0x401E: f32(0), 0x4028: f32(0), 0x2006: f32(2301), 0x2012: f32(-15005), 0x2044: f32(5001), 0x200C: f32(1260)}},
			"energy_import=1234.5 kWh, energy_export=6.25 kWh, voltage_l1=230.1 V, power=-1500.5 W, frequency=50.01 Hz, current_l1=1.26 A"},
		{"totals of an old DTSU666 are at 0x401E", "chint/dtsu666-old",
			registers{"holding": {0x101E: f32(0), 0x401E: f32(1234.5), 0x4028: f32(6.25), 0x2006: f32(2301)}},
			"energy_import=1234.5 kWh, energy_export=6.25 kWh, voltage_l1=230.1 V"},
		{"a DTSU666-H is not scaled and has another map", "chint/dtsu666-h",
			registers{"holding": {2102: f32(1.26), 2110: f32(230.1), 2124: f32(50.01), 2126: f32(-1500.5), 2166: f32(1234.5), 2174: f32(6.25)}},
			"current_l1=1.26 A, voltage_l1=230.1 V, frequency=50.01 Hz, power=-1500.5 W, energy_import=1234.5 kWh, energy_export=6.25 kWh"},
		{"an iEM3155 that says INT64 minimum has no export", "schneider/iem3155",
			registers{"holding": {3203: "0000 0000 0001 e240", 3207: "8000 0000 0000 0000", 3059: f32(1.5005)}},
			"energy_import=123.456 kWh, energy_export=-, power=1500.5 W"},
		{"an iEM3155 counts in Wh", "schneider/iem3155",
			registers{"holding": {3203: "0000 0000 0001 e240", 3207: "0000 0000 0000 0007"}},
			"energy_import=123.456 kWh, energy_export=0.007 kWh"},
		{"an iEM3150 has no export", "schneider/iem3150",
			registers{"holding": {3203: "0000 0000 0001 e240", 3207: "8000 0000 0000 0000", 3059: f32(1.5)}},
			"energy_import=123.456 kWh, energy_export=-, power=1500 W"},
		{"a SunSpec accumulator of 0 is not a total", "sunspec/meter",
			sunspecMap(203, 105, map[int]string{38: "0000 0000", 46: "0001 86a0", 54: "0001", 18: "04d2", 22: "0000"}),
			"energy_export=-, energy_import=1000000 Wh, power=1234 W"},
		{"an inverter's total of 0 at dawn is not a total", "sunspec/inverter",
			sunspecMap(103, 50, map[int]string{14: "0000 0000", 24: "0000 0000 0000", 33: "8000 015e 8000 8000 ffff"}),
			"energy=-, power=0 W, temperature=-, temperature_sink=35 °C"},
		{"a SolarEdge meter counts what is taken from the grid as negative", "solaredge/meter",
			sunspecMap(203, 105, map[int]string{18: "fb2e 0064 0000 0000 0000", 46: "0001 86a0", 54: "0000"}),
			"power=1234 W, power_l1=-100 W, energy_import=100000 Wh"},
		{"an SDM72 of the first version adds import and export up", "eastron/sdm72",
			registers{"input": {0x34: f32(6452), 0x500: f32(20), 0x502: f32(6432), 0x48: f32(100.5)}},
			"power=-6412 W, power_import=20 W, power_export=6432 W, energy_import=100.5 kWh"},
		{"an SDM72 V2 has the map of the SDM630", "eastron/sdm72-v2",
			registers{"input": {0x0: f32(230.1), 0x34: f32(-6412), 0x46: f32(49.98), 0x48: f32(100.5)}},
			"voltage_l1=230.1 V, power=-6412 W, frequency=49.98 Hz, energy_import=100.5 kWh"},
		{"the totals of an EM24 E1 are at 0x34 and 0x4E", "carlo-gavazzi/em24-e1",
			registers{"input": {0x0: "08fd 0000", 0x28: "c568 ffff", 0x33: "01f4", 0x34: "e240 0001", 0x3e: "1111 0000", 0x4e: "0007 0000", 0x5c: "2222 0000"}},
			"voltage_l1=230.1 V, power=-1500 W, frequency=50 Hz, energy_import=12345.6 kWh, energy_export=0.7 kWh"},
		{"the totals of an EM24 with RS-485 are at 0x3E and 0x5C", "carlo-gavazzi/em24",
			registers{"input": {0x0: "08fd 0000", 0x37: "01f4", 0x3e: "e240 0001", 0x5c: "0007 0000"}},
			"voltage_l1=230.1 V, frequency=50 Hz, energy_import=12345.6 kWh, energy_export=0.7 kWh"},
		{"a Huawei meter counts what is taken from the grid as negative, and says 7FFFFFFF for what is not there", "huawei/meter",
			registers{"holding": {37101: "0000 08fd", 37103: "7fff ffff", 37107: "ffff ff82", 37113: "ffff fb2e", 37118: "1389", 37119: "0000 0064", 37121: "0001 e240"}},
			"voltage_l1=230.1 V, voltage_l2=-, current_l1=1.26 A, power=1234 W, frequency=50.01 Hz, energy_export=1 kWh, energy_import=1234.56 kWh"},
		{"a Huawei battery is positive while charging", "huawei/luna2000",
			registers{"holding": {37760: "022b", 37763: "1388", 37764: "ffce", 37765: "ffff fb2e", 37780: "0001 e240", 37782: "ffff ffff"}},
			"state_of_charge=55.5 %, voltage=500 V, current=-5 A, power=-1234 W, charged_energy=1234.56 kWh, discharged_energy=-"},
		{"a Sungrow has the low word first", "sungrow/sh",
			registers{"input": {5016: "e240 0001", 13009: "fb2e ffff", 13022: "022b", 13036: "e240 0001"}},
			"dc_power=123456 W, grid_power=1234 W, state_of_charge=55.5 %, energy_import=12345.6 kWh"},
		{"a Victron GX", "victron/gx-system",
			registers{"holding": {820: "fb2e 0064 0000", 840: "0208", 841: "ff9c", 842: "fdf8 0037 0002", 850: "0bb8"}},
			"grid_power_l1=-1234 W, grid_power_l2=100 W, battery_voltage=52 V, battery_current=-10 A, battery_power=-520 W, state_of_charge=55 %, battery_state=discharging, pv_power=3000 W"},
		{"an SMA inverter at night says that it has no power", "sma/inverter",
			registers{"holding": {30513: "0000 0000 0001 e240", 30773: "8000 0000", 30775: "8000 0000", 30977: "ffff ffff"}},
			"energy_total=123.456 kWh, dc1_power=-, power=-"},
		{"a Deye with a high-voltage battery counts in 10 W", "deye/hybrid-3p-hv",
			registers{"holding": {588: "0037", 590: "ff9c", 625: "fb2e", 672: "0064", 522: "e240 0001"}},
			"state_of_charge=55 %, battery_power=-1000 W, grid_power=-1234 W, pv1_power=1000 W, energy_import=12345.6 kWh"},
		{"the strings of a SunSpec inverter", "sunspec/strings",
			sunspecMap(160, 48, map[int]string{2: "fffe ffff 0000 0001", 19: "01f4 1770 0bb8 0000 0064", 39: "00c8 1388 03e8 0000 0000"}),
			"current_1=5 A, voltage_1=600 V, power_1=3000 W, energy_1=1000 Wh, current_2=2 A, power_2=1000 W, energy_2=-"},
		{"a UMG 96RM in Wh", "janitza/umg96rm",
			registers{"holding": {19000: f32(230.1), 19026: f32(-1500.5), 19068: f32(1234500)}},
			"voltage_l1=230.1 V, power=-1500.5 W, energy_import=1234.5 kWh"},
		{"a WE-516 in kW", "orno/we-516",
			registers{"holding": {0x1C: f32(1.5005), 0x100: f32(1234.5)}}, "power=1500.5 W, energy_total=1234.5 kWh"},
		{"a pack of a Seplos V3, as syssi/esphome-seplos-bms recorded it", "seplos/v3",
			registers{"input": {0x1000: "14a6 ff38 3480 6d60 00f1 01e0 03e7 005c 0ce7 0b8c 0ce8 0ce7 0b90 0b88 0000 00b4 00b4",
				0x1100: "0ce7 0ce8 0ce8 0ce8 0ce8 0ce8 0ce8 0ce8 0ce8 0ce8 0ce8 0ce8 0ce8 0ce8 0ce8 0ce8 0b90 0b88 0b89 0b8f 5cab 5cab 5cab 5cab 0bae 0b9b", 0x1700: hexText("XZH-ElecTech Co.,Ltd")}},
			"voltage=52.86 V, current=-2 A, remaining_capacity=134.4 Ah, discharged=2410 Ah, state_of_charge=48 %, cycles=92, charge_current_max=180 A, cell_1_voltage=3.303 V, cell_16_voltage=3.304 V, cell_temperature_1=22.85 °C, cell_temperature_4=22.75 °C, mosfet_temperature=23.95 °C"},
		{"a motor that runs backwards on a V20", "siemens/v20",
			registers{"holding": {23: "ec78 fa24 00fb ffa6 0096 007b 021c"}},
			"frequency=-50 Hz, speed=-1500 rpm, current=2.51 A, torque=-0.9 Nm, power=1500 W, energy_total=123 kWh, dc_voltage=540 V"},
		{"a G120 in kW", "siemens/g120",
			registers{"holding": {339: "05dc 05da 1388 018f 021c 00fb 005a 0096 007b", 399: "0000", 407: "0000"}},
			"speed_target=1500 rpm, speed=1498 rpm, frequency=50 Hz, voltage=399 V, dc_voltage=540 V, current=2.51 A, torque=0.9 Nm, power=1500 W, energy_total=123 kWh, error=0"},
		{"a Vacon 10 that runs", "vacon/10",
			registers{"input": {2100: "0003 0003 2710 1388 05da 00fb 0190 01f4 0f96 021c 0000"}},
			"ready=true, running=true, reverse=false, fault=false, frequency=50 Hz, speed=1498 rpm, current=2.51 A, torque=40 %, load=50 %, voltage=399 V, dc_voltage=540 V, error=0"},
		{"an MX2 has its frequency in two registers", "omron/mx2",
			registers{"holding": {0x1000: "0000 1388 00fb 0002", 0x100F: "ffd8 0f96 000f", 0x1018: "017d", 0x1025: "1518"}},
			"frequency=50 Hz, current=2.51 A, direction=reverse, torque=-40 %, voltage=399 V, power=1500 W, temperature=38.1 °C, dc_voltage=540 V"},
		{"an MS300 in W", "delta/ms300",
			registers{"holding": {0x2103: "1388 00fb 1518 0f96", 0x210B: "0190 05da", 0x210F: "05dc"}},
			"frequency=50 Hz, current=2.51 A, dc_voltage=540 V, voltage=399 V, torque=40 %, speed=1498 rpm, power=1500 W"},
		{"an Optidrive E3", "invertek/optidrive-e3",
			registers{"holding": {6: "01f4 0019", 21: "01f4 021c 0026"}}, "frequency=50 Hz, current=2.5 A, frequency_target=50 Hz, dc_voltage=540 V, temperature=38 °C"},
		{"a Renogy battery that is discharged", "renogy/smart-battery",
			registers{"holding": {5042: "fe0c 0084 0001 5f90 0001 86a0"}}, "current=-5 A, voltage=13.2 V, remaining_capacity=90 Ah, capacity=100 Ah"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			values, faults := readModel(t, wireCatalogue(t), c.model, modbusDevice(t, c.registers, true))
			for _, pair := range strings.Split(c.want, ", ") {
				channel, want, _ := strings.Cut(pair, "=")
				if want == "-" {
					want = ""
				}
				if values[channel] != want {
					t.Errorf("%s: %s is %q, want %q (faults: %v)", c.model, channel, values[channel], want, faults)
				}
			}
		})
	}
}

// Every meter model with tcp was refused: "a TCP connection has no speed".
func TestModelsWithALineWorkOverTCP(t *testing.T) {
	cat := wireCatalogue(t)
	tried := 0
	for _, name := range config.ModelNames(cat, t.TempDir()) {
		file := filepath.Join(t.TempDir(), "sensorgate.toml")
		load := func(more string) (*config.Config, string) {
			text := fmt.Sprintf("node = \"n\"\n[device.x]\nmodel = %q\ntcp = \"10.0.0.5:502\"\n%s", name, more)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, problems := config.Load(file, cat)
			return cfg, fmt.Sprint(problems)
		}
		cfg, problems := load("")
		if cfg == nil && strings.Contains(problems, "unknown key") { // not Modbus
			continue
		}
		tried++
		if cfg == nil {
			t.Errorf("%s: %s", name, problems)
		}
		if cfg, problems := load("line = \"9600 8N1\"\n"); cfg != nil || !strings.Contains(problems, "has no speed") {
			t.Errorf("%s: a line of the user's own over TCP: %s, want that it is refused", name, problems)
		}
	}
	if tried < 20 {
		t.Errorf("only %d models were tried", tried)
	}
}

// A model whose registers cannot be had must say so for each channel, not publish anything.
func TestModbusModelsOfAnotherDeviceFailByChannel(t *testing.T) {
	values, faults := readModel(t, wireCatalogue(t), "chint/dtsu666", modbusDevice(t, registers{"holding": {9000: "0000"}}, false))
	if len(values) > 0 {
		t.Errorf("values came out of nothing: %v", values)
	}
	for _, channel := range []string{"energy_import", "voltage_l1", "power", "frequency"} {
		if !strings.Contains(faults[channel], "illegal data address") {
			t.Errorf("%s: fault %q, want the device's refusal (all: %v)", channel, faults[channel], slices.Sorted(maps.Keys(faults)))
		}
	}
}
