package i2c

import (
	"log/slog"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chips"
	spibus "sensorgate/drivers/spi/bus"
)

// Buses is the machine's I2C adapters; see package bus.
type Buses = bus.Buses

// Addr says where a chip is: "1:0x76".
type Addr = bus.Addr

// FormatTransfer writes a transfer on one line: "1:0x76  W d0  R 60".
func FormatTransfer(a Addr, w, r []byte, err error) string { return bus.FormatTransfer(a, w, r, err) }

// Adapters lists the buses of the machine.
func Adapters() ([]bus.Adapter, error) { return bus.Adapters() }

// NewBuses makes the buses of this machine. It opens nothing; Run owns the goroutines.
func NewBuses(log *slog.Logger) *Buses { return bus.New(log) }

// NewBusesOn makes buses that open returns, such as a test's fake.
func NewBusesOn(log *slog.Logger, open bus.Opener) *Buses { return bus.NewOn(log, open) }

// Drivers is the table of contents: every chip we know on I2C, and those on SPI that are
// written to and read from the same way.
func Drivers(b *Buses, s *spibus.Buses) []drivers.Driver {
	return append(onI2C(b, s), chips.MCP23S17(s), chips.DescribedSPI(s), clearDriver(b))
}

// onI2C are the chips that can be on I2C.
func onI2C(b *Buses, s *spibus.Buses) []drivers.Driver {
	var all []drivers.Driver
	for _, chip := range []func(*Buses) drivers.Driver{
		// temperature, humidity, pressure
		chips.BMP180, chips.BME680,
		chips.SHT3x, chips.SHT4x, chips.SHTC3, chips.SHT21, chips.HTU21D, chips.SI7021,
		chips.AHT10, chips.AHT20, chips.AM2320, chips.HDC1080, chips.HDC302x,
		// temperature
		chips.TMP102, chips.TMP112, chips.TMP75, chips.LM75, chips.TMP117, chips.MCP9808, chips.ADT7410, chips.MLX90614,
		chips.TMP1075, chips.PCT2075, chips.STS3x,
		chips.LPS22HB, chips.LPS25HB, chips.HTS221, chips.MS5611, chips.MS5637, chips.DPS310, chips.QMP6988,
		// gas, dust
		chips.SCD30, chips.SCD4x, chips.SGP30, chips.SGP40, chips.SGP41, chips.SPS30, chips.SEN5x,
		chips.ENS160, chips.CCS811, chips.SFA30, chips.SDP3x,
		// voltage, current
		chips.ADS1115, chips.ADS1015, chips.INA219, chips.INA226, chips.INA228, chips.INA260, chips.INA3221,
		chips.INA237, chips.INA238, chips.MCP3421, chips.MCP3424, chips.ADS1110, chips.ADS1119, chips.MAX17048, chips.LC709203F,
		// light
		chips.BH1750, chips.VEML7700, chips.TSL2561, chips.TSL2591, chips.LTR390, chips.OPT3001, chips.MAX44009,
		chips.VEML6070, chips.VEML6075, chips.APDS9960, chips.AS7341,
		// distance
		chips.VL53L0X, chips.VL53L1X, chips.VL53L4CD,
		// motion, magnetic field, weight, water, lightning, and a clock's thermometer
		chips.LIS3DH, chips.LSM6DS, chips.BMI160, chips.BNO055, chips.HMC5883L, chips.QMC5883L, chips.NAU7802,
		chips.MPU6050, chips.EZO, chips.AS3935, chips.DS3231,
		// inputs and outputs
		chips.MCP23017, chips.MCP23008, chips.PCA9535, chips.PCA9554, chips.PCF8574, chips.PCF8575,
		chips.MCP4725, chips.MCP4728, chips.PCA9685, chips.EMC2101,
		// described in the configuration
		chips.Described,
	} {
		all = append(all, chip(b))
	}
	for _, chip := range []func(*Buses, *spibus.Buses) drivers.Driver{chips.BME280, chips.BMP280, chips.BMP388, chips.BMP390, chips.ADXL345} {
		all = append(all, chip(b, s))
	}
	return all
}
