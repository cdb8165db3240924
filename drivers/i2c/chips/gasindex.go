package chips

import (
	"encoding/binary"
	"math"
	"time"
)

// gasIndex is Sensirion's gas index algorithm, after its published reference (version
// 3.1.0 of gas-index-algorithm, BSD-3), in floating point: a VOC or NOx signal of an
// SGP40 or SGP41, sampled once a second, becomes an index of 1 to 500 relative to the
// last day. 100 (VOC) or 1 (NOx) is the usual air of the place.
type gasIndex struct {
	nox bool
	gasConstants

	uptime      float64
	index       float64
	sraw        float64 // the last sample above the minimum
	initialized bool
	mean        float64
	offset      float64 // of mean
	std         float64

	uptimeGamma, uptimeGating float64
	gating                    float64 // minutes in which nothing was learnt
	low                       lowpass
}

// gasConstants are those in which VOC and NOx differ.
type gasConstants struct {
	indexOffset, srawMinimum, gatingMax float64
	initMean, initVariance              float64 // s
	gatingThreshold, tauInitialMean     float64
	sigmoidX0, sigmoidK, sigmoidOffset  float64
}

// The constants of the reference's header, and their names in it.
const (
	gasBlackout        = 45.0 // INITIAL_BLACKOUT, s
	gasGain            = 230.0
	gasStdInitial      = 50.0
	gasStdBonusVOC     = 220.0
	gasStdNOx          = 2000.0
	gasTau             = 12.0 * 3600 // TAU_MEAN_HOURS and TAU_VARIANCE_HOURS
	gasTauInitialVar   = 2500.0
	gasInitTransition  = 0.01
	gasGateInitial     = 510.0
	gasGateTransition  = 0.09
	gasGateRatio       = 0.3
	gasSigmoidL        = 500.0
	gasGammaScale      = 64.0 // MEAN_VARIANCE_ESTIMATOR__GAMMA_SCALING
	gasGammaMeanScale  = 8.0
	gasUptimeMax       = 32767.0
	gasPersistedUptime = 3.0 * 3600
	gasPersistFor      = 10 * time.Minute // longer ago the learnt state is of no use
)

func newGasIndex(nox bool) *gasIndex {
	g := &gasIndex{nox: nox, std: gasStdInitial}
	if nox {
		g.gasConstants = gasConstants{indexOffset: 1, srawMinimum: 10000, gatingMax: 720, initMean: 3600 * 4.75, initVariance: 3600 * 5.7,
			gatingThreshold: 30, tauInitialMean: 1200, sigmoidX0: 614, sigmoidK: -0.0101, sigmoidOffset: 1}
	} else {
		g.gasConstants = gasConstants{indexOffset: 100, srawMinimum: 20000, gatingMax: 180, initMean: 3600 * 0.75, initVariance: 3600 * 1.45,
			gatingThreshold: 340, tauInitialMean: 20, sigmoidX0: 213, sigmoidK: -0.0065, sigmoidOffset: 100}
	}
	return g
}

// process takes the sample of one second. NaN until there is an index.
func (g *gasIndex) process(raw uint16) float64 {
	if g.uptime <= gasBlackout {
		g.uptime++
		return math.NaN()
	}
	if raw > 0 && raw < 65000 {
		g.sraw = min(max(float64(raw), g.srawMinimum+1), g.srawMinimum+32767) - g.srawMinimum
	}
	index := g.indexOffset
	if !g.nox || g.initialized {
		index = g.scale(g.model())
	}
	g.index = max(g.low.process(index), 0.5)
	if g.sraw > 0 {
		g.learn(g.sraw)
	}
	return math.Floor(g.index + 0.5)
}

// model relates the signal to what it usually is.
func (g *gasIndex) model() float64 {
	d := g.sraw - (g.mean + g.offset)
	if g.nox {
		return d / gasStdNOx * gasGain
	}
	return d / -(g.std + gasStdBonusVOC) * gasGain
}

// scale bends that into 0 to 500.
func (g *gasIndex) scale(sample float64) float64 {
	e := 1 + math.Exp(g.sigmoidK*(sample-g.sigmoidX0))
	if sample < 0 {
		return g.indexOffset / g.sigmoidOffset * gasSigmoidL / e
	}
	shift := (gasSigmoidL - 5*g.indexOffset) / 4
	if g.sigmoidOffset == 1 {
		shift = 500.0 / 499 * (1 - g.indexOffset)
	}
	return (gasSigmoidL+shift)/e - shift
}

// learn moves the estimate of mean and deviation.
func (g *gasIndex) learn(sraw float64) {
	if !g.initialized {
		g.initialized, g.offset, g.mean = true, sraw, 0
		return
	}
	if math.Abs(g.mean) >= 100 {
		g.offset, g.mean = g.offset+g.mean, 0
	}
	gammaMean, gammaVariance := g.gammas()
	delta := (sraw - g.offset - g.mean) / gasGammaScale
	c, scaling := g.std+math.Abs(delta), 1.0
	if c > 1440 {
		scaling = c / 1440 * (c / 1440)
	}
	g.std = math.Sqrt(scaling*(gasGammaScale-gammaVariance)) *
		math.Sqrt(g.std*(g.std/(gasGammaScale*scaling))+gammaVariance*delta/scaling*delta)
	g.mean += gammaMean * delta / gasGammaMeanScale
}

// gammas are how fast to learn: fast at first, slowly later, not while the index is high
// (an event is not the usual air), but not forever.
func (g *gasIndex) gammas() (mean, variance float64) {
	g.uptimeGamma = min(g.uptimeGamma+1, gasUptimeMax)
	g.uptimeGating = min(g.uptimeGating+1, gasUptimeMax)
	gammaMean := gasGammaMeanScale * gasGammaScale / (gasTau + 1)
	gammaVariance := gasGammaScale / (gasTau + 1)
	gammaInitialMean := gasGammaMeanScale * gasGammaScale / (g.tauInitialMean + 1)
	gammaInitialVariance := gasGammaScale / (gasTauInitialVar + 1)

	early := sigmoid(g.uptimeGamma, g.initMean, gasInitTransition)
	threshold := g.gatingThreshold + (gasGateInitial-g.gatingThreshold)*sigmoid(g.uptimeGating, g.initMean, gasInitTransition)
	open := sigmoid(g.index, threshold, gasGateTransition)
	mean = open * (gammaMean + (gammaInitialMean-gammaMean)*early)

	earlyVariance := sigmoid(g.uptimeGamma, g.initVariance, gasInitTransition)
	threshold = g.gatingThreshold + (gasGateInitial-g.gatingThreshold)*sigmoid(g.uptimeGating, g.initVariance, gasInitTransition)
	openVariance := sigmoid(g.index, threshold, gasGateTransition)
	variance = openVariance * (gammaVariance + (gammaInitialVariance-gammaVariance)*(earlyVariance-early))

	g.gating = max(g.gating+((1-open)*(1+gasGateRatio)-gasGateRatio)/60, 0)
	if g.gating > g.gatingMax {
		g.uptimeGating = 0
	}
	return mean, variance
}

// sigmoid falls from 1 to 0 around x0.
func sigmoid(x, x0, k float64) float64 { return 1 / (1 + math.Exp(k*(x-x0))) }

// lowpass follows fast while the signal moves and slowly while it rests.
type lowpass struct {
	started        bool
	fast, slow, x3 float64
}

func (l *lowpass) process(sample float64) float64 {
	const tauFast, tauSlow, alpha = 20.0, 500.0, -0.2 // LP_TAU_FAST, LP_TAU_SLOW, LP_ALPHA
	if !l.started {
		l.started, l.fast, l.slow, l.x3 = true, sample, sample, sample
	}
	follow := func(x *float64, tau float64) { *x += (sample - *x) / (1 + tau) }
	follow(&l.fast, tauFast)
	follow(&l.slow, tauSlow)
	follow(&l.x3, (tauSlow-tauFast)*math.Exp(alpha*math.Abs(l.fast-l.slow))+tauFast)
	return l.x3
}

// save returns what was learnt, once it is worth something: after three hours.
func (g *gasIndex) save(now time.Time) []byte {
	if g.uptimeGamma < gasPersistedUptime {
		return nil
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(g.mean+g.offset))
	return binary.BigEndian.AppendUint64(b, math.Float64bits(g.std))
}

// restore takes what save returned, unless it is too old.
func (g *gasIndex) restore(b []byte, now time.Time) {
	if len(b) != 24 {
		return
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(b)), 0))
	mean := math.Float64frombits(binary.BigEndian.Uint64(b[8:]))
	std := math.Float64frombits(binary.BigEndian.Uint64(b[16:]))
	if age < 0 || age > gasPersistFor || !(mean > 0 && mean < 65536 && std > 0 && std < 65536) {
		return
	}
	g.initialized, g.mean, g.std, g.uptimeGamma, g.sraw = true, mean, std, gasPersistedUptime, mean
}
