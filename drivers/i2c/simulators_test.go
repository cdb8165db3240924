package i2c

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/i2ctest"
)

// simulators are a chip for every driver, that measures something usual.
var simulators = map[string]func() i2ctest.Chip{
	"bme280": func() i2ctest.Chip { return bosch(0x60) }, "bmp280": func() i2ctest.Chip { return bosch(0x58) },
	"bmp180": func() i2ctest.Chip {
		return i2ctest.NewBMP180(words(408, -72, -14383, 32741, 32757, 23153, 6190, 4, -32768, -8711, 2868), 27898<<8, 23843<<8)
	},
	"bmp388": func() i2ctest.Chip { return bmp388(0x50) }, "bmp390": func() i2ctest.Chip { return bmp388(0x60) },
	"bme680":  bme680,
	"mcp4725": func() i2ctest.Chip { return i2ctest.NewDAC(1) }, "mcp4728": func() i2ctest.Chip { return i2ctest.NewDAC(4) },
	"dps310": func() i2ctest.Chip {
		return i2ctest.NewDPS310([]byte{0x0d, 0x1e, 0xfb, 0x13, 0xa2, 0x9f, 0x2d, 0x1b, 0xf5, 0x05, 0x05, 0x16, 0xd8, 0x00, 0x00, 0x33, 0xfa, 0x80}, -314573, 471859)
	},
	"qmp6988": func() i2ctest.Chip {
		return i2ctest.NewQMP6988([]byte{0x2a, 0x10, 0x12, 0x34, 0xf1, 0x20, 0x05, 0x60, 0xfa, 0x10, 0x21, 0x43, 0xe0, 0x10, 0x1a, 0x2b, 0xd0, 0x07, 0x11, 0x80, 0xf8, 0x30, 0x15, 0x20, 0x5c}, 0xa00000, 0x7f0000)
	},
	"ads1110": func() i2ctest.Chip {
		c := &i2ctest.MCP342x{ADS: true, Code: map[byte]int32{0: 20000}}
		c.PowerOn()
		return c
	},
	"ads1119":  func() i2ctest.Chip { return i2ctest.NewADS1119(map[byte]int16{0x60: 16000, 0x80: -3200}) },
	"veml6070": func() i2ctest.Chip { return i2ctest.NewVEML6070(800) }, "veml6075": func() i2ctest.Chip { return i2ctest.NewVEML6075(2000, 1800, 300, 200) },
	"apds9960": func() i2ctest.Chip { return i2ctest.NewAPDS9960(51, 12, 5, 4.5, 3) },
	"as7341":   func() i2ctest.Chip { return i2ctest.NewAS7341(1, 2, 3, 4, 5, 6, 7, 8, 20, 9) },
	"vl53l4cd": func() i2ctest.Chip { return i2ctest.NewVL53L4CD(345, 0xbccc) },
	"lsm6ds":   func() i2ctest.Chip { return i2ctest.NewLSM6DS(0x6c, 0, 2049, 0) }, "bmi160": func() i2ctest.Chip { return i2ctest.NewBMI160(0, 2048, 0) },
	"bno055":    func() i2ctest.Chip { return i2ctest.NewBNO055(4404, -200, 1000) },
	"emc2101":   func() i2ctest.Chip { return i2ctest.NewEMC2101() },
	"lc709203f": func() i2ctest.Chip { return i2ctest.NewLC709203F(3842, 637) },
	"lis3dh":    func() i2ctest.Chip { return i2ctest.NewLIS3DH(125, 250) },
	"hmc5883l":  func() i2ctest.Chip { return i2ctest.NewHMC5883L(200, -100, 450) }, "qmc5883l": func() i2ctest.Chip { return i2ctest.NewQMC5883L(600, -300, 1350) },
	"nau7802": func() i2ctest.Chip { return i2ctest.NewNAU7802(-210000) },
	"pca9685": func() i2ctest.Chip { return i2ctest.NewPCA9685() },
	"sht3x":   func() i2ctest.Chip { return i2ctest.NewSHT3x(0x6666, 0x8000) },
	"sht4x":   func() i2ctest.Chip { return i2ctest.NewSHT4x(0x6666, 0x8000) },
	"shtc3":   func() i2ctest.Chip { return i2ctest.NewSHTC3(0x6666, 0x8000) },
	"sht21":   htu21, "htu21d": htu21, "si7021": htu21,
	"aht10":    func() i2ctest.Chip { return i2ctest.NewAHT(0xe1, false, [5]byte{0x5d, 0x10, 0x66, 0x01, 0xd2}) },
	"aht20":    func() i2ctest.Chip { return i2ctest.NewAHT(0xbe, true, [5]byte{0x5d, 0x10, 0x66, 0x01, 0xd2}) },
	"am2320":   func() i2ctest.Chip { return &i2ctest.AM2320{RH: 500, T: 250} },
	"hdc1080":  func() i2ctest.Chip { return i2ctest.NewHDC1080(0x6666, 0x8000) },
	"hdc302x":  func() i2ctest.Chip { return i2ctest.NewHDC302x(0x6666, 0x8000) },
	"tmp102":   func() i2ctest.Chip { return i2ctest.NewTMP102(0x1900) },
	"tmp112":   func() i2ctest.Chip { return i2ctest.NewTMP102(0x1900) },
	"tmp75":    func() i2ctest.Chip { return i2ctest.NewTMP75(0x1900) },
	"lm75":     func() i2ctest.Chip { return i2ctest.NewLM75(0x1900) },
	"tmp117":   func() i2ctest.Chip { return i2ctest.NewTMP117(0x0c80) },
	"mcp9808":  func() i2ctest.Chip { return i2ctest.NewMCP9808(0x0194) },
	"adt7410":  func() i2ctest.Chip { return i2ctest.NewADT7410(0x0c80) },
	"mlx90614": func() i2ctest.Chip { return &i2ctest.MLX90614{Addr: 0x5a, RAM: map[byte]uint16{7: 0x3ad2, 6: 0x3970}} },
	"scd30":    func() i2ctest.Chip { return i2ctest.NewSCD30(0x43db, 0x8c2e, 0x41d9, 0xe7ff, 0x4243, 0x3a1b) },
	"scd4x":    func() i2ctest.Chip { return i2ctest.NewSCD4x(500, 0x6667, 0x5eb9) },
	"sgp30":    func() i2ctest.Chip { return i2ctest.NewSGP30(650, 120) },
	"sgp40":    func() i2ctest.Chip { return i2ctest.NewSGP4x(30000, 0) },
	"sgp41":    func() i2ctest.Chip { return i2ctest.NewSGP4x(30000, 16000) },
	"sps30":    func() i2ctest.Chip { return i2ctest.NewSPS30(floats(1.5, 2.5, 4.25, 10.5, 12, 13, 14, 15, 16, 0.5)...) },
	"sen5x":    func() i2ctest.Chip { return i2ctest.NewSEN5x(15, 25, 42, 105, 5025, 4000, 1000, 10) },
	"ens160":   func() i2ctest.Chip { return i2ctest.NewENS160(2, 150, 600) },
	"ccs811":   func() i2ctest.Chip { return &i2ctest.CCS811{ECO2: 650, TVOC: 120, ID: 0x81} },
	"ads1115":  func() i2ctest.Chip { return ads([]int{8, 16, 32, 64, 128, 250, 475, 860}, 1) },
	"ads1015":  func() i2ctest.Chip { return ads([]int{128, 250, 490, 920, 1600, 2400, 3300}, 16) },
	"ina219":   func() i2ctest.Chip { return i2ctest.NewINA219(0x07d0, 0x5d98) },
	"ina226":   func() i2ctest.Chip { return i2ctest.NewINA226(0x1f40, 0x2570) },
	"ina228":   func() i2ctest.Chip { return i2ctest.NewINA228(64000, 61440, 0x0c80) },
	"ina260":   func() i2ctest.Chip { return i2ctest.NewINA260(0x1f40, 0x2570) },
	"ina3221": func() i2ctest.Chip {
		return i2ctest.NewINA3221(map[byte]uint16{1: 2500 << 3, 2: 1500 << 3, 3: 500 << 3, 4: 625 << 3, 5: 0xfce0, 6: 413 << 3})
	},
	"bh1750":   func() i2ctest.Chip { return i2ctest.NewBH1750(500) },
	"veml7700": func() i2ctest.Chip { return i2ctest.NewVEML7700(500) },
	"tsl2561":  func() i2ctest.Chip { return i2ctest.NewTSL2561(0x50, 1000, 300) },
	"tsl2591":  func() i2ctest.Chip { return i2ctest.NewTSL2591(100000, 20000) },
	"ltr390":   func() i2ctest.Chip { return i2ctest.NewLTR390(5000, 4600) },
	"vl53l0x":  func() i2ctest.Chip { return i2ctest.NewVL53L0X(345) },
	"vl53l1x":  func() i2ctest.Chip { return i2ctest.NewVL53L1X(2345) },
	"mpu6050":  func() i2ctest.Chip { return i2ctest.NewMPU6050(0, 2048, 0) },
	"adxl345":  func() i2ctest.Chip { return i2ctest.NewADXL345(0, 256) },
	"ezo":      func() i2ctest.Chip { return &i2ctest.EZO{Name: "pH", Value: "7.012"} },
	"as3935":   func() i2ctest.Chip { return i2ctest.NewAS3935() },
	"ds3231":   func() i2ctest.Chip { return i2ctest.NewDS3231(0x1940) },
	"mcp23017": func() i2ctest.Chip { return i2ctest.NewMCP23017(0xfffe) },
	"pca9535":  func() i2ctest.Chip { return i2ctest.NewPCA9535(0xfffe) },
	"pcf8574":  func() i2ctest.Chip { c := &i2ctest.PCF{Ports: 1, Low: 1}; c.PowerOn(); return c },
	"sfa30":    func() i2ctest.Chip { return i2ctest.NewSFA30(101, 4512, 4690) }, "sdp3x": func() i2ctest.Chip { return i2ctest.NewSDP3x(0xfed4, 5000, 60) },
	"mcp23008": func() i2ctest.Chip { return i2ctest.NewMCP23008(0xfe) }, "pca9554": func() i2ctest.Chip { return i2ctest.NewPCA9554(0xfe) },
	"tmp1075": func() i2ctest.Chip { return i2ctest.NewTMP75(0x1900) }, "pct2075": func() i2ctest.Chip { return i2ctest.NewLM75(0x1920) },
	"sts3x":   func() i2ctest.Chip { return i2ctest.NewSHT3x(0x6666, 0x8000) },
	"lps22hb": func() i2ctest.Chip { return i2ctest.NewLPS22HB([]byte{0x00, 0xd0, 0x3e, 0xc4, 0x09}) },
	"lps25hb": func() i2ctest.Chip { return i2ctest.NewLPS25HB([]byte{0x00, 0xd0, 0x3e, 0x30, 0xdf}) },
	"hts221": func() i2ctest.Chip {
		return i2ctest.NewHTS221([]byte{60, 140, 160, 0x40, 0, 0x04, 0, 0x10, 0, 0, 0, 0xd0, 0xf4, 1, 0xdc, 5}, []byte{0, 0xf0, 0xe8, 3})
	},
	"ms5611": func() i2ctest.Chip { // the checksum of AN520's example is right
		return &i2ctest.MS56{PROM: []uint16{0x3132, 0x3334, 0x3536, 0x3738, 0x3940, 0x4142, 0x4344, 0x450b}, D1: 8000000, D2: 4200000}
	},
	"ms5637": func() i2ctest.Chip {
		return &i2ctest.MS56{PROM: []uint16{0x8000, 46372, 43981, 29059, 27842, 31553, 28165}, D1: 6465444, D2: 8077636}
	},
	"ina237": func() i2ctest.Chip { return i2ctest.NewINA238(3240, 0x3c00, 0x0c80) }, "ina238": func() i2ctest.Chip { return i2ctest.NewINA238(3240, 0x3c00, 0x0c80) },
	"max17048": func() i2ctest.Chip { return i2ctest.NewMAX17048(0xbe60, 0x4b80, 0xfff6) },
	"mcp3421":  mcp342x, "mcp3424": mcp342x,
	"opt3001":  func() i2ctest.Chip { return i2ctest.NewOPT3001(0x3456) },
	"max44009": func() i2ctest.Chip { return i2ctest.NewMAX44009(0x89, 0x0c) },
	"pcf8575":  func() i2ctest.Chip { c := &i2ctest.PCF{Ports: 2, Low: 1}; c.PowerOn(); return c },
}

// described has no chip of its own: what it reads is the user's.
const described = "i2c"

func TestEveryDriverHasASimulator(t *testing.T) {
	var all []string
	for _, d := range onI2C(i2ctest.On(i2ctest.NewBus()), nil) {
		all = append(all, d.Name)
		if simulators[d.Name] == nil && d.Name != described {
			t.Errorf("%s has no simulator", d.Name)
		}
	}
	for name := range simulators {
		if !slices.Contains(all, name) {
			t.Errorf("%s is no driver", name)
		}
	}
}

// words makes bytes of words, high byte first.
func words(vs ...int) (b []byte) {
	for _, v := range vs {
		b = append(b, byte(v>>8), byte(v))
	}
	return b
}

// floats makes words of floating-point numbers.
func floats(fs ...float32) (ws []uint16) {
	for _, f := range fs {
		ws = append(ws, uint16(math.Float32bits(f)>>16), uint16(math.Float32bits(f)))
	}
	return ws
}

func bosch(id byte) i2ctest.Chip {
	return i2ctest.NewBME280(id,
		[]byte{0x70, 0x6b, 0x43, 0x67, 0x18, 0xfc, 0x7d, 0x8e, 0x43, 0xd6, 0xd0, 0x0b, 0x27, 0x0b, 0x8c, 0x00, 0xf9, 0xff, 0x8c, 0x3c, 0xf8, 0xc6, 0x70, 0x17, 0x00, 0x4b},
		[]byte{0x6e, 0x01, 0x00, 0x13, 0x05, 0x00, 0x1e}, []byte{0x65, 0x5a, 0xc0, 0x7e, 0xed, 0x00, 0x7a, 0x76})
}

func bmp388(id byte) i2ctest.Chip {
	c := i2ctest.NewBMP388([]byte{0x98, 0x6c, 0xa9, 0x4a, 0xf9, 0xe3, 0x1c, 0x61, 0x16, 0x06, 0x01, 0x51, 0x4a, 0xde, 0x5d, 0x03, 0xfa, 0xf9, 0x0e, 0x06, 0xf5}, 8500000, 6700000)
	c.ID = id
	c.PowerOn()
	return c
}

// bme680 has the coefficients of a real chip.
func bme680() i2ctest.Chip {
	c1 := []byte{0x97, 0x67, 3, 0, 0xc0, 0x88, 0xd4, 0xd7, 88, 0, 0xdc, 0x25, 0x36, 0xff, 24, 30, 0, 0, 0xfc, 0xfd, 0x73, 0xf2, 30}
	c2 := []byte{0x3e, 0xfa, 0x31, 0, 45, 20, 120, 0x9c, 0x5b, 0x66, 0xaf, 0xe8, 0xe3, 18}
	return i2ctest.NewBME680(c1, c2, []byte{43, 0, 1 << 4, 0, 0xd0}, []byte{0x5c, 0xc6, 0x00, 0x7a, 0x12, 0x00, 0x55, 0xf0}, 500, 5)
}

func mcp342x() i2ctest.Chip {
	c := &i2ctest.MCP342x{Code: map[byte]int32{0x00: 64000, 0x20: 32000}}
	c.PowerOn()
	return c
}

func htu21() i2ctest.Chip { return i2ctest.NewHTU21(0x68ac, 0x72b0) }

func ads(rates []int, step uint16) i2ctest.Chip {
	return i2ctest.NewADS(rates, step, func(mux int) int16 { return 0x0fa0 })
}

// deviceOf configures a device of d at an address that it can have, with channels where
// the user names them.
func deviceOf(t testing.TB, d drivers.Driver) (uint16, drivers.DeviceConfig) {
	t.Helper()
	o := d.Options()
	addr := o.(interface{ Addresses() []uint16 }).Addresses()[0]
	o.(interface{ SetAddress(Addr) }).SetAddress(Addr{Bus: "1", Chip: addr})
	set(o, "Shunt", 0.1)
	set(o, "Circuit", "ph")
	c := drivers.DeviceConfig{Device: "d", Options: o, Every: d.Every, Store: driverstest.Store{}}
	if d.ChannelOptions == nil {
		return addr, c
	}
	for name, pins := range map[string][]string{"first": {"A0", "P0", "P00", "GP0", "A", "0"}, "second": {"A1", "P1", "P01", "GP1", "B", "1"}} {
		ch := d.ChannelOptions()
		for _, pin := range pins {
			set(ch, "Input", pin)
			set(ch, "Output", pin)
			if set(ch, "Pin", pin); ch.(drivers.Checker).Check() == nil {
				break
			}
		}
		if err := ch.(drivers.Checker).Check(); err != nil {
			t.Fatalf("%s: %v", d.Name, err)
		}
		c.Channels = append(c.Channels, drivers.ChannelConfig{Name: name, Options: ch})
	}
	slices.SortFunc(c.Channels, func(a, b drivers.ChannelConfig) int { return strings.Compare(a.Name, b.Name) })
	return addr, c
}

// set sets a field of the struct that o points to, if it has one of this name.
func set(o any, field string, v any) {
	f := reflect.ValueOf(o).Elem().FieldByName(field)
	if f.IsValid() && reflect.TypeOf(v).ConvertibleTo(f.Type()) {
		f.Set(reflect.ValueOf(v).Convert(f.Type()))
	}
}
