package config

import (
	"fmt"
	"time"
)

// Date is a day in UTC, in a flag.
type Date struct{ time.Time }

// Set reads a day.
func (d *Date) Set(text string) (err error) {
	if d.Time, err = time.Parse(time.DateOnly, text); err != nil {
		return fmt.Errorf("want a day such as 2026-11-01, not %q", text)
	}
	return nil
}

// String returns the day.
func (d *Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Format(time.DateOnly)
}
