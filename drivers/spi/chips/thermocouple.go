package chips

import (
	"fmt"
	"math"
	"strings"

	"sensorgate/drivers"
)

// emfs are NIST's reference functions (Monograph 175, ITS-90): millivolts of a
// thermocouple whose other end is at 0 °C, as polynomials of the temperature.
var emfs = map[string]emf{
	"E": {-200, 1000,
		[]float64{0, 0.586655087080e-1, 0.454109771240e-4, -0.779980486860e-6, -0.258001608430e-7, -0.594525830570e-9, -0.932140586670e-11, -0.102876055340e-12, -0.803701236210e-15, -0.439794973910e-17, -0.164147763550e-19, -0.396736195160e-22, -0.558273287210e-25, -0.346578420130e-28},
		[]float64{0, 0.586655087100e-1, 0.450322755820e-4, 0.289084072120e-7, -0.330568966520e-9, 0.650244032700e-12, -0.191974955040e-15, -0.125366004970e-17, 0.214892175690e-20, -0.143880417820e-23, 0.359608994810e-27}},
	"J": {-210, 760, nil,
		[]float64{0, 0.503811878150e-1, 0.304758369300e-4, -0.856810657200e-7, 0.132281952950e-9, -0.170529583370e-12, 0.209480906970e-15, -0.125383953360e-18, 0.156317256970e-22}},
	"K": {-200, 1372,
		[]float64{0, 0.394501280250e-1, 0.236223735980e-4, -0.328589067840e-6, -0.499048287770e-8, -0.675090591730e-10, -0.574103274280e-12, -0.310888728940e-14, -0.104516093650e-16, -0.198892668780e-19, -0.163226974860e-22},
		[]float64{-0.176004136860e-1, 0.389212049750e-1, 0.185587700320e-4, -0.994575928740e-7, 0.318409457190e-9, -0.560728448890e-12, 0.560750590590e-15, -0.320207200030e-18, 0.971511471520e-22, -0.121047212750e-25}},
	"N": {-200, 1300,
		[]float64{0, 0.261591059620e-1, 0.109574842280e-4, -0.938411115540e-7, -0.464120397590e-10, -0.263033577160e-11, -0.226534380030e-13, -0.760893007910e-16, -0.934196678350e-19},
		[]float64{0, 0.259293946010e-1, 0.157101418800e-4, 0.438256272370e-7, -0.252611697940e-9, 0.643118193390e-12, -0.100634715190e-14, 0.997453389920e-18, -0.608632456070e-21, 0.208492293390e-24, -0.306821961510e-28}},
	"T": {-200, 400,
		[]float64{0, 0.387481063640e-1, 0.441944343470e-4, 0.118443231050e-6, 0.200329735540e-7, 0.901380195590e-9, 0.226511565930e-10, 0.360711542050e-12, 0.384939398830e-14, 0.282135219250e-16, 0.142515947790e-18, 0.487686622860e-21, 0.107955392700e-23, 0.139450270620e-26, 0.797951539270e-30},
		[]float64{0, 0.387481063640e-1, 0.332922278800e-4, 0.206182434040e-6, -0.218822568460e-8, 0.109968809280e-10, -0.308157587720e-13, 0.454791352900e-16, -0.275129016730e-19}},
}

// emf is one reference function: two polynomials that meet at 0 °C, or one.
type emf struct {
	lowest, highest float64
	below, above    []float64
}

// at returns the millivolts at a temperature.
func (e emf) at(celsius float64) float64 {
	c := e.above
	if celsius < 0 && e.below != nil {
		c = e.below
	}
	mv := 0.0
	for i := len(c) - 1; i >= 0; i-- {
		mv = mv*celsius + c[i]
	}
	if c[0] != 0 { // type K above 0 °C has an exponential term
		mv += 0.118597600000 * math.Exp(-0.118343200000e-3*(celsius-126.9686)*(celsius-126.9686))
	}
	return mv
}

// temperature is the inverse of at, by bisection: the function rises. NaN is beyond what
// the type is defined for.
func (e emf) temperature(mv float64) float64 {
	lo, hi := e.lowest, e.highest
	if mv < e.at(lo) || mv > e.at(hi) {
		return math.NaN()
	}
	for range 50 {
		if mid := (lo + hi) / 2; e.at(mid) < mv {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// thermocoupleTypes are the types, in the order of the MAX31856's codes.
const thermocoupleTypes = "BEJKNRST"

// checkType looks at an option type.
func checkType(t string) error {
	if len(t) == 1 && strings.Contains(thermocoupleTypes, t) {
		return nil
	}
	return &drivers.KeyError{Key: "type", Problem: fmt.Sprintf("found %q", t), Expected: "B, E, J, K, N, R, S or T"}
}

// thermocoupleRange is the widest that a type can measure, in °C.
func thermocoupleRange(t string) (lo, hi float64) {
	if e, ok := emfs[t]; ok {
		return e.lowest - 70, e.highest + 1 // a chip shows a little beyond
	}
	return -50, 1820 // B, R, S
}
