package gateway

import "testing"

// Messages of a real WXT520, as the comments of weewx-wxt5x0 have them: a value whose unit
// is # is not valid and must not be published, and kilometres an hour are not metres a second.
func TestVaisalaWeatherTransmitterSaysWhatIsValid(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       map[string]string
	}{
		{"an anemometer that is not valid", "0R0,Dn=000#,Dm=106#,Dx=182#,Sn=1.1#,Sm=4.0#,Sx=6.6#,Ta=16.0C,Ua=50.0P,Pa=1018.1H,Rc=0.00M,Rd=0s,Ri=0.0M,Hc=0.0M,Hd=0s,Hi=0.0M,Rp=0.0M,Hp=0.0M,Th=15.6C,Vh=0.0N,Vs=15.2V,Vr=3.498V,Id=Ant",
			map[string]string{"wind_direction": "", "wind_speed": "", "wind_gust": "", "temperature": "16", "humidity": "50", "pressure": "1018.1", "rain": "0", "rain_intensity": "0", "supply_voltage": "15.2"}},
		{"a short message", "0R0,Dm=051D,Sm=0.1M,Ta=27.9C,Ua=39.4P,Pa=1003.2H,Rc=0.00M,Th=28.1C,Vh=0.0N",
			map[string]string{"wind_direction": "51", "wind_speed": "0.1", "wind_gust": "", "temperature": "27.9", "pressure": "1003.2", "supply_voltage": ""}},
		{"kilometres an hour", "0R0,Dm=051D,Sm=3.6K,Ta=-7.9C",
			map[string]string{"wind_direction": "51", "wind_speed": "", "temperature": "-7.9"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			got := talk(t, "vaisala/wxt520", []byte("noise\r\n"+c.line+"\r\n"+c.line+"\r\n"), 7)
			for channel, want := range c.want {
				if got[channel] != want {
					t.Errorf("%s is %q, want %q", channel, got[channel], want)
				}
			}
		})
	}
}
