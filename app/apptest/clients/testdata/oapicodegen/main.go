// Command oapicodegen plays exchanges with the service at the address it is given, through the client that oapi-codegen has
// generated and that is put beside this file: it reads a call for each line of its input, and prints the outcome for each.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
)

// call is an exchange as the test takes it apart.
type call struct {
	Operation string
	// Path are the values of the parameters in the path, in its order, Given those of the others, by name as JSON.
	Path  []string
	Given json.RawMessage
	// ContentType is the body's, JSON the body of JSON and of a form; Raw is any other.
	ContentType string
	JSON        json.RawMessage
	Raw         []byte
	// Headers are those that documents have no parameters for.
	Headers map[string]string
}

type outcome struct {
	Refused, Unread string
	Sent            []byte
	Status          int
	Answer          []byte
}

func main() {
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	client, err := NewClientWithResponses(os.Args[1], WithHTTPClient(stay))
	if err != nil {
		fail(err)
	}
	calls := json.NewDecoder(os.Stdin)
	for {
		var c call
		if err := calls.Decode(&c); err == io.EOF {
			return
		} else if err != nil {
			fail(err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(play(client, c)); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// method finds the client's method for an operation and a kind of body.
func method(client *ClientWithResponses, c call) reflect.Value {
	kind := ""
	switch {
	case len(c.Raw) > 0:
		kind = "withbody"
	case strings.Contains(c.ContentType, "urlencoded"):
		kind = "withformdatabody"
	}
	want := strings.NewReplacer(".", "", "_", "").Replace(c.Operation) + kind + "withresponse"
	v := reflect.ValueOf(client)
	for i := range v.NumMethod() {
		if strings.ToLower(v.Type().Method(i).Name) == want {
			return v.Method(i)
		}
	}
	fail(fmt.Errorf("the client has no method %s", want))
	return v
}

func play(client *ClientWithResponses, c call) (o outcome) {
	m := method(client, c)
	var args []reflect.Value
	for i := range m.Type().NumIn() - 1 { // the last are the editors of requests
		arg, err := argument(m.Type().In(i), &c, &o)
		if err != nil {
			o.Refused = err.Error()
			return o
		}
		args = append(args, arg)
	}
	edit := func(_ context.Context, r *http.Request) error {
		for name, value := range c.Headers {
			r.Header.Set(name, value)
		}
		return nil
	}
	results := m.Call(append(args, reflect.ValueOf(RequestEditorFn(edit))))
	if err, _ := results[1].Interface().(error); err != nil {
		o.Unread = err.Error()
		return o
	}
	o.read(results[0].Elem())
	return o
}

// argument makes an argument of the call, by its type.
func argument(typ reflect.Type, c *call, o *outcome) (reflect.Value, error) {
	value := reflect.New(typ)
	switch name := typ.String(); {
	case name == "context.Context":
		return reflect.ValueOf(context.Background()), nil
	case name == "io.Reader":
		return reflect.ValueOf(bytes.NewReader(c.Raw)), nil
	case name == "string" && len(c.Path) == 0:
		return reflect.ValueOf(c.ContentType), nil
	case strings.HasSuffix(name, "Params"):
		return value.Elem(), json.Unmarshal(c.Given, value.Interface())
	case len(c.Path) == 0:
		if err := json.Unmarshal(c.JSON, value.Interface()); err != nil {
			return value, err
		}
		if c.ContentType != "application/json" {
			return value.Elem(), nil
		}
		var err error
		o.Sent, err = json.Marshal(value.Interface())
		return value.Elem(), err
	}
	text := c.Path[0]
	c.Path = c.Path[1:]
	if json.Unmarshal([]byte(text), value.Interface()) == nil {
		return value.Elem(), nil
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return value, err
	}
	return value.Elem(), json.Unmarshal(quoted, value.Interface())
}

// read notes what the client has read: the field of the status, written as JSON again, or else the body as it came.
func (o *outcome) read(response reflect.Value) {
	o.Status = response.FieldByName("HTTPResponse").Interface().(*http.Response).StatusCode
	o.Answer = response.FieldByName("Body").Bytes()
	for _, name := range []string{fmt.Sprintf("JSON%d", o.Status), "JSONDefault"} {
		if field := response.FieldByName(name); field.IsValid() && !field.IsNil() {
			text, err := json.Marshal(field.Interface())
			if err != nil {
				o.Unread = err.Error()
			}
			o.Answer = text
			return
		}
	}
	if o.Status != http.StatusPartialContent && json.Valid(o.Answer) {
		o.Unread = "there is no field for the answer " + string(o.Answer)
	}
}
