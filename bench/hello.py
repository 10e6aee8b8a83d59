"""The unit of all figures: the smallest FastAPI application, under plain uvicorn."""

from fastapi import FastAPI

app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)


@app.get("/")
async def hello() -> dict[str, bool]:
    return {"result": True}
