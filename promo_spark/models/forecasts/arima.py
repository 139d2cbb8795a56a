"""ARIMA models as numbers that a person can read: orders, coefficients, and the equation that they make.

φ(B) Φ(Bᵐ) (1 − B)ᵈ (1 − Bᵐ)ᴰ Xₜ = c + θ(B) Θ(Bᵐ) eₜ. Differences take out a trend (d) and a season (D), each chosen by
tests of whether they are there; the coefficients follow by maximum likelihood, from a start by least squares: moving
averages are not linear in them (Box, Jenkins 1970; Hyndman, Khandakar 2008).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promo_spark.models.forecasts.local_models import Floats


@dataclass(frozen=True)
class Arima:
    """A fitted model: order (p, d, q), seasonal order (P, D, Q), periods of a season, coefficients, variance of e."""

    order: tuple[int, int, int]
    seasonal: tuple[int, int, int]
    season: int
    coefficients: Mapping[str, float]
    variance: float

    @property
    def name(self) -> str:
        """Its orders as they are written.

        >>> Arima((0, 1, 0), (0, 0, 0), 1, {"drift": 25.0}, 30.0).name
        'ARIMA(0,1,0) with drift'
        """
        of_season = "({},{},{})[{}]".format(*self.seasonal, self.season) if any(self.seasonal) else ""
        constant = " with drift" if "drift" in self.coefficients else ""
        return "ARIMA({},{},{})".format(*self.order) + of_season + constant

    @property
    def equation(self) -> str:
        """The equation with its numbers; W is X after the differences, less its mean or drift c.

        >>> Arima((1, 1, 1), (0, 0, 0), 1, {"ar1": 0.6, "ma1": -0.3, "drift": 2.0}, 1.0).equation
        '(1 − B)X[t] = 2 + W[t]; W[t] = 0.6·W[t−1] − 0.3·e[t−1] + e[t]'
        >>> Arima((0, 0, 0), (0, 1, 1), 7, {"sma1": -0.8}, 1.0).equation
        '(1 − B^7)X[t] = W[t]; W[t] = −0.8·e[t−7] + e[t]'
        """
        _, d, _ = self.order
        steps = ["(1 − B)" if d == 1 else f"(1 − B)^{d}"] if d else []
        _, of_season, _ = self.seasonal
        if of_season:
            steps.append(f"(1 − B^{self.season})" + ("" if of_season == 1 else f"^{of_season}"))
        constant = sum(self.coefficients.get(name, 0.0) for name in ("drift", "intercept"))
        terms = [f"{value:+.4g}·{letter}[t−{lag}]" for letter, lag, value in self._terms()]
        right = " ".join([*(t.replace("+", "+ ").replace("-", "− ") for t in terms), "+ e[t]"])
        right = right[2:] if right.startswith("+ ") else "−" + right[2:]
        start = f"{constant:.4g} + W[t]".replace("-", "−") if constant else "W[t]"
        return f"{''.join(steps)}X[t] = {start}; W[t] = {right}"

    def _terms(self) -> list[tuple[str, int, float]]:
        """Letter, lag and coefficient of every term, the products of plain and seasonal ones too."""
        found = []
        for letter, plain, seasonal, sign in (("W", "ar", "sar", -1.0), ("e", "ma", "sma", 1.0)):
            near = {0: 1.0} | {lag: sign * value for lag, value in self._lags(plain)}
            far = {0: 1.0} | {lag * self.season: sign * value for lag, value in self._lags(seasonal)}
            sums: dict[int, float] = {}
            for a, x in near.items():
                for b, y in far.items():
                    sums[a + b] = sums.get(a + b, 0.0) + x * y
            found += [(letter, lag, sign * value) for lag, value in sorted(sums.items()) if lag]
        return found

    def _lags(self, kind: str) -> list[tuple[int, float]]:
        names = {f"{kind}{lag}": lag for lag in range(1, 100)}
        return [(names[name], value) for name, value in self.coefficients.items() if name in names]


def fitted_arima(history: Floats, season: int, order: tuple[int, int, int] | None = None) -> Arima:
    """The model that statsforecast's AutoARIMA chooses for a history, or the one of an order that is given."""
    from statsforecast.models import ARIMA, AutoARIMA  # 1.6 s, paid where it is asked for

    model = ARIMA(order=order, season_length=season) if order else AutoARIMA(season_length=season)
    found = model.fit(history).model_
    p, q, of_p, of_q, periods, d, of_d = (int(n) for n in found["arma"])
    coefficients = {name: float(value) for name, value in found["coef"].items()}
    return Arima((p, d, q), (of_p, of_d, of_q), periods, coefficients, float(found["sigma2"]))
