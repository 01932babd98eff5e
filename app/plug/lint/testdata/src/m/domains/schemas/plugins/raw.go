package plugins

import (
	"encoding/json"

	"github.com/gin-gonic/gin"

	"m/app"
	"m/domains/schemas/models"
)

type RawItem struct {
	ID int64 `json:"id"`
}

type RawNested struct {
	Rows []*models.Row `json:"rows"`
}

type RawPlugin struct{}

func (p *RawPlugin) OnBoot(b *app.Boot) { b.Raw("GET", "/raw", p.Execute) }

func (p *RawPlugin) Execute(c *gin.Context) {
	var row models.Row
	_ = c.ShouldBindJSON(&row)
	c.JSON(200, row)                              // want `models.Row is a database entity, which sends every column`
	c.JSON(200, []*models.Row{&row})              // want `models.Row is a database entity`
	c.JSON(200, gin.H{"row": row})                // want `models.Row is a database entity`
	c.JSON(200, app.Page[models.Row]{})           // want `models.Row is a database entity`
	c.AbortWithStatusJSON(200, RawNested{})       // want `models.Row is a database entity`
	c.JSON(200, row)                              //plug:allow schemas the row has no columns but the answered ones
	text, _ := json.Marshal(map[int]models.Row{}) // want `models.Row is a database entity`
	c.JSON(200, RawItem{ID: row.ID})
	c.JSON(200, models.State("open"))
	_ = text
}

// keep stores a copy: no caller sees it.
func keep(row models.Row) ([]byte, error) { return json.Marshal(row) }
