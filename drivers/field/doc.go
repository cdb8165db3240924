// Package field takes values out of bytes and text: the one decoder that serial
// frames, lines of text, I2C chips described in TOML and Modbus registers share.
//
//   - Binary says where in a block a number stands and of which Type, and what is then
//     done with it (Value: scale, invalid values, plausible range, names). A channel's
//     options embed it; Check is called once, Decode for every block, Encode to write.
//   - Value alone serves numbers that come as text.
//   - Sum is a check sum or CRC by name or by parameters; Check says where a frame has it.
//   - Bytes and Pattern are how byte strings are written in TOML: "42 4D", "AA ?? C0".
//
// It starts nothing, keeps nothing, and allocates nothing per number.
package field
