package app

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// Date is a calendar date without a time of day: a birthday, a due date. In requests, answers and text columns it has the
// form "2026-01-31"; a column of the type DATE takes it on both databases. Dates are compared with ==, [Date.Before] and
// [Date.After]. The zero Date is January 1 of the year 1, as that of time.Time is.
type Date struct{ midnight time.Time } // in UTC, so that == compares dates

// dateForm is the form of RFC 3339 for a full date.
const dateForm = time.DateOnly

// NewDate returns the date. A month or day out of range is carried over, as by time.Date.
func NewDate(year int, month time.Month, day int) Date {
	return Date{time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}

// DateOf returns the date of t in t's own time zone.
func DateOf(t time.Time) Date { return NewDate(t.Date()) }

// In returns the first instant of the date in a time zone. That is not midnight where the clocks skip midnight.
func (d Date) In(loc *time.Location) time.Time {
	year, month, day := d.midnight.Date()
	t := time.Date(year, month, day, 0, 0, 0, 0, loc)
	if DateOf(t) != d { // the clock was put forward over midnight
		_, offset := t.Zone()
		_, later := t.Add(24 * time.Hour).Zone()
		t = t.Add(time.Duration(later-offset) * time.Second)
	}
	return t
}

// AddDate returns the date so many years, months and days later; see time.Time.AddDate.
func (d Date) AddDate(years, months, days int) Date {
	return DateOf(d.midnight.AddDate(years, months, days))
}

// Before reports whether d is earlier than other.
func (d Date) Before(other Date) bool { return d.midnight.Before(other.midnight) }

// After reports whether d is later than other.
func (d Date) After(other Date) bool { return d.midnight.After(other.midnight) }

// IsZero reports whether d is the zero Date.
func (d Date) IsZero() bool { return d.midnight.IsZero() }

// Date returns year, month and day.
func (d Date) Date() (year int, month time.Month, day int) { return d.midnight.Date() }

// String returns the date in the form "2026-01-31".
func (d Date) String() string { return d.midnight.Format(dateForm) }

// MarshalText implements encoding.TextMarshaler. Years beyond 9999 have no such form.
func (d Date) MarshalText() ([]byte, error) {
	if year := d.midnight.Year(); year < 0 || year > 9999 {
		return nil, fmt.Errorf("the year %d has not four digits", year)
	}
	return d.midnight.AppendFormat(nil, dateForm), nil
}

// UnmarshalText implements encoding.TextUnmarshaler. It takes just the form "2026-01-31".
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(dateForm, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a date such as 2006-01-02", text)
	}
	*d = Date{t}
	return nil
}

// Value implements driver.Valuer: a date is stored by its text, which both databases take for a column of the type DATE.
func (d Date) Value() (driver.Value, error) { return d.String(), nil }

// Scan implements sql.Scanner.
func (d *Date) Scan(value any) error {
	switch v := value.(type) {
	case time.Time:
		*d = DateOf(v)
		return nil
	case string:
		return d.UnmarshalText([]byte(v))
	case []byte:
		return d.UnmarshalText(v)
	default:
		return fmt.Errorf("a %T is not a date", value)
	}
}

// GormDataType names the type of a date's column, for GORM.
func (Date) GormDataType() string { return "date" }
