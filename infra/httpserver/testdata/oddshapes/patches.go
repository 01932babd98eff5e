package oddshapes

import (
	"time"

	"plugboard/app"
)

type patched struct {
	Name  app.Optional[string]         `json:"name" binding:"min=2"`
	Price app.Optional[float64]        `json:"price" binding:"gt=0"`
	Point app.Optional[limited]        `json:"point"`
	List  app.Optional[[]int]          `json:"list" binding:"max=2"`
	Day   app.Optional[app.Date]       `json:"day"`
	At    app.Optional[time.Time]      `json:"at"`
	Cost  app.Optional[Decimal]        `json:"cost"`
	Map   app.Optional[map[string]int] `json:"map"`
	Any   app.Optional[any]            `json:"any"`
	Count *int                         `json:"count" binding:"omitempty,gte=1"`
}

type patchedList struct {
	Items []struct {
		Name app.Optional[*string] `json:"name"`
	} `json:"items"`
}

// patches are shapes of PATCH and of optional members elsewhere.
func patches() []Shape {
	const untouched = `Name:{Set:false Null:false Value:} Price:{Set:false Null:false Value:0} Point:{Set:false Null:false Value:{X:0}} List:{Set:false Null:false Value:[]} Day:{Set:false Null:false Value:0001-01-01} At:{Set:false Null:false Value:0001-01-01 00:00:00 +0000 UTC} Cost:{Set:false Null:false Value:0} Map:{Set:false Null:false Value:map[]} Any:{Set:false Null:false Value:<nil>} Count:<nil>`
	const changed = `Name:{Set:true Null:true Value:} Price:{Set:true Null:false Value:2.5} Point:{Set:true Null:false Value:{X:1}} List:{Set:true Null:false Value:[1]} Day:{Set:true Null:false Value:2026-01-31} At:{Set:true Null:true Value:0001-01-01 00:00:00 +0000 UTC} Cost:{Set:true Null:false Value:150} Map:{Set:true Null:false Value:map[a:1]} Any:{Set:true Null:false Value:[1]} Count:<nil>`
	return []Shape{
		take[patched]("patch", "PATCH", "/odd/patch", at("/odd/patch", list(
			given(`{}`, `{"got":"{`+untouched+`}"}`),
			given(`{"name":null,"price":2.5,"point":{"x":1},"list":[1],"day":"2026-01-31","at":null,"cost":"1.50","map":{"a":1},"any":[1]}`, `{"got":"{`+changed+`}"}`),
			refused(`{"count":null}`, "count", "null", "must not be null"),
			refused(`{"name":"a"}`, "name", "min", "must have at least 2 characters"),
			refused(`{"price":0}`, "price", "gt", "must be greater than 0"),
			refused(`{"point":{"x":0}}`, "point.x", "gte", "must be at least 1"),
			refused(`{"cost":1.5}`, "cost", "type", "has the wrong form")))),
		take[patchedList]("optional_in_list", "POST", "/odd/optional_in_list", at("/odd/optional_in_list", list(
			given(`{"items":[{},{"name":null}]}`, `{"got":"{Items:[{Name:{Set:false Null:false Value:<nil>}} {Name:{Set:true Null:true Value:<nil>}}]}"}`)))),
	}
}
