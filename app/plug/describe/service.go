package describe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Service is what the service's command "describe" prints, as far as the documents tell it.
type Service struct {
	Domains  []Domain  `json:"domains"`
	Routes   []Route   `json:"routes"`
	Events   Events    `json:"events"`
	Settings []Setting `json:"settings"`
	Commands []Command `json:"commands"`
}

// Parse reads what the service has printed.
func Parse(text []byte) (Service, error) {
	var s Service
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // numbers stay as they are written
	if err := decoder.Decode(&s); err != nil {
		return s, fmt.Errorf("read description of the service: %w", err)
	}
	return s, nil
}

// Domain is a listed domain; its name is empty for plugins outside of one.
type Domain struct {
	Name    string   `json:"name"`
	Source  string   `json:"source"`
	Plugins []Plugin `json:"plugins"`
	Tables  []Table  `json:"tables"`
}

// Plugin is a listed plugin.
type Plugin struct {
	Name    string   `json:"name"`
	Source  string   `json:"source"`
	Package string   `json:"package"`
	Struct  string   `json:"struct"`
	Needs   []string `json:"needs"`
}

// Table is the table of an entity.
type Table struct {
	Name    string   `json:"name"`
	Package string   `json:"package"`
	Struct  string   `json:"struct"`
	Columns []Column `json:"columns"`
	Uniques []string `json:"uniques"`
}

// Column is a column of a table.
type Column struct {
	Name  string `json:"name"`
	Field string `json:"field"`
	Type  string `json:"type"`
	Key   bool   `json:"key"`
	Null  bool   `json:"null"`
}

// Route is an endpoint.
type Route struct {
	Method   string   `json:"method"`
	Path     string   `json:"path"`
	Plugin   string   `json:"plugin"`
	Source   string   `json:"source"`
	Kind     string   `json:"kind"`
	Statuses []int    `json:"statuses"`
	Fails    []string `json:"fails"`
	Failures []int    `json:"failures"`
	Accepts  []string `json:"accepts"`
	Binary   bool     `json:"binary"`
	Timeout  string   `json:"timeout"`
	Guards   int      `json:"guards"`
	Fields   []Field  `json:"fields"`
	Data     Schema   `json:"data"`
}

// Field is a field of a request.
type Field struct {
	Name     string `json:"name"`
	In       string `json:"in"`
	Required bool   `json:"required"`
	Schema   Schema `json:"schema"`
}

// Events are the events of the application.
type Events struct {
	Publications  []Publication  `json:"publications"`
	Subscriptions []Subscription `json:"subscriptions"`
	Answers       []Answer       `json:"answers"`
	DeadLetter    Payload        `json:"dead_letter"`
}

// Publication is an event that a plugin publishes.
type Publication struct {
	Topic     string   `json:"topic"`
	Plugin    string   `json:"plugin"`
	Source    string   `json:"source"`
	Ordered   bool     `json:"ordered"`
	KeyFields []string `json:"key_fields"`
	Payload   Payload  `json:"payload"`
}

// Subscription is a subscription as it takes effect.
type Subscription struct {
	Name        string   `json:"name"`
	Topic       string   `json:"topic"`
	Plugin      string   `json:"plugin"`
	Source      string   `json:"source"`
	Durable     bool     `json:"durable"`
	Tx          bool     `json:"transaction"`
	Block       bool     `json:"block"`
	Formerly    []string `json:"formerly"`
	Concurrency int      `json:"concurrency"`
	Attempts    int      `json:"attempts"`
	BackoffMin  string   `json:"backoff_min"`
	BackoffMax  string   `json:"backoff_max"`
	Timeout     string   `json:"timeout"`
	OnSQLite    string   `json:"timeout_sqlite"`
	Payload     Payload  `json:"payload"`
}

// Answer is a query that a plugin answers.
type Answer struct {
	Topic  string  `json:"topic"`
	Plugin string  `json:"plugin"`
	Source string  `json:"source"`
	Query  Payload `json:"query"`
	Answer Payload `json:"answer"`
}

// Payload is a struct that travels as JSON.
type Payload struct {
	Package string   `json:"package"`
	Struct  string   `json:"struct"`
	Schema  Schema   `json:"schema"`
	Fields  []Member `json:"fields"`
}

// Member is a field of a payload: its name in JSON, and where it is declared.
type Member struct {
	Name   string `json:"name"`
	Struct string `json:"struct"`
	Field  string `json:"field"`
}

// Setting is a setting of the service.
type Setting struct {
	Key     string `json:"key"`
	Env     string `json:"env"`
	Default string `json:"default"`
	Wanted  string `json:"wanted"`
}

// Command is a command of the binary.
type Command struct {
	Use   string `json:"use"`
	Short string `json:"short"`
}

// file is the file of a source, "file:line".
func file(source string) string {
	name, _, _ := strings.Cut(source, ":")
	return name
}
