"""The HTTP face of the recipes service."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Component, Measure, Recipe, RecipeVersion, Step, VersionState
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="recipes", lifespan=lifespan("recipes", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class NewRecipe(BaseModel):
    tenant_id: uuid.UUID
    name: str = Field(min_length=1, max_length=160)
    variant_of_id: uuid.UUID | None = None


class Ingredient(BaseModel):
    ingredient_id: uuid.UUID
    amount: Decimal = Field(gt=0)
    measure: Measure = Measure.GRAM


class StepIn(BaseModel):
    instruction: str
    minutes: int = Field(0, ge=0)


class NewVersion(BaseModel):
    batch_weight_kg: Decimal = Field(gt=0)
    ingredients: list[Ingredient] = Field(min_length=1)
    steps: list[StepIn] = []


class Current(BaseModel):
    name: str
    version: int
    batch_weight_kg: Decimal
    minutes: float
    steps: list[str]


@app.post("/recipes", status_code=status.HTTP_201_CREATED)
async def add(new: NewRecipe, session: Session) -> uuid.UUID:
    recipe = Recipe(**new.model_dump())
    session.add(recipe)
    try:
        await session.commit()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "there is a recipe of this name") from error
    return recipe.id


@app.post("/recipes/{recipe_id}/versions", status_code=status.HTTP_201_CREATED)
async def release(recipe_id: uuid.UUID, new: NewVersion, session: Session) -> int:
    """Releases a version and makes it the current one; the one before is withdrawn."""
    recipe = await session.get(Recipe, recipe_id, with_for_update=True)
    if recipe is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such recipe")
    if recipe.current_version is not None:
        recipe.current_version.state = VersionState.WITHDRAWN
        await session.flush()
    last = await session.scalar(select(func.max(RecipeVersion.number)).filter_by(recipe_id=recipe_id))
    version = RecipeVersion(
        recipe_id=recipe_id,
        number=(last or 0) + 1,
        state=VersionState.RELEASED,
        batch_weight_kg=new.batch_weight_kg,
        steps=[
            Step(position=place, instruction=step.instruction, lasts=timedelta(minutes=step.minutes))
            for place, step in enumerate(new.steps, start=1)
        ],
    )
    recipe.current_version = version
    await session.flush()
    session.add_all(
        Component(version_id=version.id, position=place, **ingredient.model_dump())
        for place, ingredient in enumerate(new.ingredients, start=1)
    )
    await session.commit()
    return version.number


@app.get("/recipes/{recipe_id}")
async def current(recipe_id: uuid.UUID, session: Session) -> Current:
    recipe = await session.get(Recipe, recipe_id)
    if recipe is None or recipe.current_version is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such recipe, or none released")
    version = recipe.current_version
    return Current(
        name=recipe.name,
        version=version.number,
        batch_weight_kg=version.batch_weight_kg,
        minutes=sum((step.lasts for step in version.steps), timedelta()).total_seconds() / 60,
        steps=[step.instruction for step in version.steps],
    )
