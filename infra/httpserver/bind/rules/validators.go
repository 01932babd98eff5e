package rules

import "github.com/go-playground/validator/v10"

// judges are the validators that have learnt some types.
type judges struct {
	rules *validator.Validate
	given *validator.Validate // judges fields that were given with their zero value
}

// Compiler hands out judges. A validator that learns of a type copies all it has learnt before, so each learns of the requests
// of a few endpoints only: with one for all, the start of a thousand plugins was spent in copying.
type Compiler struct {
	current judges
	// left is for how many more requests current is handed out.
	left int
}

// perJudges is for how many requests judges are handed out. New ones cost about as much as twenty types.
const perJudges = 64

// next returns the judges of one more request. Endpoints are checked one after the other.
func (v *Compiler) next() judges {
	if v.left == 0 {
		v.current, v.left = judges{newValidator(), newValidator()}, perJudges
	}
	v.left--
	return v.current
}
