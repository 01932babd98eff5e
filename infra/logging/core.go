package logging

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The bounds of one record.
const (
	// longRecord is the length in bytes above which the fields of a record are clipped.
	longRecord = 16 << 10
	// longField is how many bytes are left of each text in such a record.
	longField = 4 << 10
)

// core encodes records and passes them to a [Writer] with their level, which zap's own core does not pass on.
type core struct {
	zapcore.LevelEnabler

	encoder zapcore.Encoder
	out     *Writer
}

// With implements zapcore.Core.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	clone := &core{c.LevelEnabler, c.encoder.Clone(), c.out}
	for _, f := range fields {
		f.AddTo(clone.encoder)
	}
	return clone
}

// Check implements zapcore.Core.
func (c *core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	line, err := c.encoder.EncodeEntry(entry, fields)
	if err != nil {
		return fmt.Errorf("encode log record: %w", err)
	}
	if line.Len() > longRecord {
		line.Free()
		entry.Message, entry.Stack = Clip(entry.Message, longField), Clip(entry.Stack, longRecord)
		if line, err = c.encoder.EncodeEntry(entry, clipFields(fields)); err != nil {
			return fmt.Errorf("encode log record: %w", err)
		}
	}
	c.out.WriteRecord(entry.Level, line.Bytes())
	line.Free()
	if entry.Level > zapcore.ErrorLevel { // the process may end next
		return c.out.Sync()
	}
	return nil
}

// Sync implements zapcore.Core.
func (c *core) Sync() error { return c.out.Sync() }

// clipFields returns the fields with texts and errors clipped. Other fields stay as they are.
func clipFields(fields []zapcore.Field) []zapcore.Field {
	clipped := make([]zapcore.Field, len(fields))
	for i, f := range fields {
		switch f.Type {
		case zapcore.StringType:
			f.String = Clip(f.String, longField)
		case zapcore.ByteStringType:
			if text, ok := f.Interface.([]byte); ok {
				f.Interface = []byte(Clip(string(text), longRecord)) // a stack
			}
		case zapcore.ErrorType:
			f = zapcore.Field{Key: f.Key, Type: zapcore.StringType, String: Clip(fmt.Sprint(f.Interface), longField)}
		}
		clipped[i] = f
	}
	return clipped
}

// Principal is the log field "principal": the ID of who caused what is logged. Without one, when id is "", the record has no such field.
func Principal(id string) zap.Field {
	if id == "" {
		return zap.Skip()
	}
	return zap.String("principal", id)
}

// Clip returns text, or the first most bytes of it and "…" if it is longer. It cuts no rune. Use it for texts that a client chose: the
// encoder escapes a byte into up to six.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return strings.Clone(text[:most]) + "…"
}
