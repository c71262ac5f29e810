package store

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed schema/*.sql
var schemas embed.FS

// migrations are the files in schema, in the order of versions. A database of
// an older version is brought up to date by those that it lacks.
func migrations() []string {
	return []string{"schema/1.sql", "schema/2.sql", "schema/3.sql", "schema/4.sql", "schema/5.sql", "schema/6.sql"}
}

// SchemaVersion returns the version of the schema that this package writes.
func SchemaVersion() int { return len(migrations()) }

// Migrations returns the statements that bring a database from a version to
// the next ones, for a dialect: sqlite or postgres. A line of one dialect ends
// with its name as a comment.
func Migrations(dialect string, from int) [][]string {
	var all [][]string
	for _, name := range migrations()[from:] {
		text, err := schemas.ReadFile(name)
		if err != nil {
			panic(fmt.Sprintf("store: %v", err)) // It is embedded.
		}
		all = append(all, statements(string(text), dialect))
	}
	return all
}

// statements splits a file into statements, which end with a semicolon at the
// end of a line.
func statements(text, dialect string) []string {
	var all []string
	var one strings.Builder
	for line := range strings.Lines(text) {
		line, comment, _ := strings.Cut(strings.TrimRight(line, "\n"), "-- ")
		comment = strings.TrimSpace(comment)
		if comment == "sqlite" || comment == "postgres" {
			if comment != dialect {
				continue
			}
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		one.WriteString(strings.TrimRight(line, " ") + "\n")
		if strings.HasSuffix(strings.TrimRight(line, " "), ";") {
			all = append(all, one.String())
			one.Reset()
		}
	}
	return all
}
